/** Where a person writes: text, photos, voice, a place, a sticker, an answer to a message. Drafts are kept per chat. */

import { h, icon, newId } from "./dom.js";
import { summaryOf, senderOf } from "./messages.js";
import { base64, LARGEST_BYTES, prepare } from "./photos.js";
import { Recorder, offerVoiceFile } from "./voice.js";
import { t } from "./words.js";

const recorder = new Recorder();

export class Composer {
  chat = null;
  #area;
  #strip;
  #reply;
  #menu;
  #menuButton;
  #bar;

  /** `send(chat, parts)` takes one or more frames without ids; `askPlace(chat)` opens the plan; `say(words)` a toast. */
  constructor(area, { send, askPlace, say }) {
    this.#area = area;
    this.send = send;
    this.askPlace = askPlace;
    this.say = say;
    const find = (selector) => area.querySelector(selector);
    this.field = find("textarea");
    this.#strip = find(".photo-strip");
    this.#reply = find(".reply-bar");
    this.#menu = find(".attach-menu");
    this.#menuButton = find("[data-act=attach]");
    this.#bar = find(".voice-bar");
    find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("input", () => this.#written());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("paste", (event) => {
      const pictures = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
      if (pictures.length) this.#addPhotos(pictures);
    });
    this.#menuButton.addEventListener("click", () => this.#toggleMenu());
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (!this.#menu.hidden) this.#toggleMenu(false, true);
      else if (recorder.active) recorder.cancel();
      else if (this.chat?.replyTo) this.answer(null);
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.#menu.hidden && !this.#menu.contains(event.target) && !this.#menuButton.contains(event.target)) this.#toggleMenu(false);
    });
    for (const input of [find("[data-file=photo]"), find("[data-file=camera]")])
      input.addEventListener("change", () => {
        this.#addPhotos([...input.files]);
        input.value = "";
      });
    const voiceFile = find("[data-file=voice]");
    voiceFile.addEventListener("change", () => {
      if (voiceFile.files[0]) this.#sendVoice(voiceFile.files[0]);
      voiceFile.value = "";
    });
    const documentField = find("[data-file=file]");
    documentField?.addEventListener("change", () => {
      if (documentField.files[0]) this.#sendDocument(documentField.files[0]);
      documentField.value = "";
    });
    const choose = (act, deed) =>
      find(`[data-act=${act}]`)?.addEventListener("click", () => {
        this.#toggleMenu(false);
        deed();
      });
    choose("photo", () => find("[data-file=photo]").click());
    choose("camera", () => find("[data-file=camera]").click());
    choose("voicefile", () => voiceFile.click());
    choose("file", () => documentField.click());
    choose("location", () => this.askPlace(this.chat));
    choose("sticker", () => this.#send([{ type: "sticker" }]));
    choose("mic", () => this.#record());
    choose("stop", () => recorder.stop());
    choose("discard", () => recorder.cancel());
    choose("noreply", () => this.answer(null));
    this.#bar.addEventListener("cancelled", () => this.field.focus());
  }

  show(chat) {
    if (recorder.active) recorder.cancel();
    this.chat = chat;
    this.#area.hidden = !chat || chat.readOnly;
    if (!chat) return;
    this.field.value = chat.draft;
    this.#words();
    this.#grow();
    this.#photos();
    this.answer(chat.replyTo, false);
  }

  /** The words that depend on the language and on what is being written. */
  #words() {
    const key = this.chat?.photos.length ? "caption" : this.chat?.key === "private" ? "private" : "write";
    this.field.placeholder = t(`composer.${key}`);
    this.field.setAttribute("aria-label", t("composer.message"));
  }

  retranslate() {
    if (this.chat) this.show(this.chat);
  }

  /** Answer this message with the next words (null: answer none). */
  answer(item, focus = true) {
    if (!this.chat) return;
    this.chat.replyTo = item;
    this.#reply.hidden = !item;
    if (item) {
      this.#reply.querySelector(".reply-name").textContent = t("composer.replyto", { name: senderOf(item) });
      this.#reply.querySelector(".reply-words").textContent = summaryOf(item);
    }
    if (focus) this.field.focus();
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #written() {
    if (this.chat) this.chat.draft = this.field.value;
    this.#grow();
  }

  #grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
    this.#area.dataset.filled = this.field.value.trim() || this.chat?.photos.length ? "yes" : "no";
  }

  #submit() {
    const text = this.field.value.trim();
    const photos = this.chat.photos;
    if (!text && photos.length === 0) return;
    if (photos.length) {
      const album = photos.length > 1 ? newId() : undefined;
      this.#send(
        photos.map((photo, index) => ({
          type: "photo",
          caption: index === 0 ? text : "",
          data: photo.data,
          ...(album ? { album } : {}),
          preview: photo.url,
        })),
      );
      this.chat.photos = [];
    } else this.#send([{ type: "text", text }]);
    this.field.value = "";
    this.#written();
    this.#photos();
    this.field.focus();
  }

  #send(parts) {
    const answered = this.chat.replyTo?.message;
    // Only words can answer a message; with a photo or a place the question stays open.
    const answers = answered && parts[0].type === "text";
    if (answers) parts[0].reply_to = answered;
    this.send(this.chat, parts);
    if (answers) this.answer(null, false);
  }

  async #addPhotos(files) {
    const chat = this.chat;
    for (const file of files) {
      try {
        const blob = await prepare(file);
        chat.photos.push({ url: URL.createObjectURL(blob), data: await base64(blob) });
      } catch (error) {
        this.say(t(error.message === "toolarge" ? "photo.toolarge" : "photo.unreadable"));
      }
    }
    this.#photos();
    this.field.focus();
  }

  #photos() {
    const photos = this.chat?.photos ?? [];
    this.#strip.hidden = photos.length === 0;
    this.#strip.replaceChildren(
      ...photos.map((photo) =>
        h(
          "div",
          { class: "photo-chosen" },
          h("img", { src: photo.url, alt: t("message.photo") }),
          h(
            "button",
            {
              type: "button",
              class: "photo-remove",
              label: "composer.removephoto",
              onclick: () => {
                this.chat.photos = this.chat.photos.filter((other) => other !== photo);
                URL.revokeObjectURL(photo.url);
                this.#photos();
                this.field.focus();
              },
            },
            icon("close"),
          ),
        ),
      ),
    );
    this.#words();
    this.#grow();
  }

  async #record() {
    const started = await recorder.start(this.#bar, (blob) => this.#sendVoice(blob));
    if (!started) offerVoiceFile((blob) => this.#sendVoice(blob));
  }

  async #sendVoice(blob) {
    if (blob.size > LARGEST_BYTES) return this.say(t("voice.toolarge"));
    this.#send([{ type: "voice", data: await base64(blob), preview: URL.createObjectURL(blob) }]);
    this.field.focus();
  }

  async #sendDocument(file) {
    if (file.size > LARGEST_BYTES) return this.say(t("file.toolarge"));
    this.#send([{ type: "file", name: file.name, data: await base64(file), preview: URL.createObjectURL(file) }]);
    this.field.focus();
  }

  #toggleMenu(open = this.#menu.hidden, refocus = false) {
    this.#menu.hidden = !open;
    this.#menuButton.setAttribute("aria-expanded", String(open));
    if (open) this.#menu.querySelector("button").focus();
    else if (refocus) this.#menuButton.focus();
  }
}

