/** One visible conversation: its head, its messages and its composer. */

import { h, translate } from "./dom.js";
import { Composer } from "./composer.js";
import { blocksOf, render, summaryOf, senderOf, update } from "./messages.js";
import { chatIcon } from "./people.js";
import { t } from "./words.js";

const NEAR_PX = 120;
const SWIPE_PX = 60;
const TYPING_AFTER_MS = 250;

export class Pane {
  #log;
  #list;
  #jump;
  #typing;
  #nodes = new Map();
  #stuck = true;
  #typingTimer = 0;
  chat = null;

  /** @param act what the messages ask for; see `messages.render`. */
  constructor(place, { act, composer, onSeen }) {
    this.act = act;
    this.onSeen = onSeen;
    const template = document.getElementById("pane-template").content.cloneNode(true);
    place.replaceChildren(template);
    translate(place);
    this.element = place;
    this.#log = place.querySelector(".log");
    this.#list = place.querySelector(".messages");
    this.#jump = place.querySelector(".jump");
    this.#typing = place.querySelector(".typing");
    this.composer = new Composer(place.querySelector(".composer-area"), composer);
    this.#jump.addEventListener("click", () => this.toBottom());
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#stuck && this.toBottom()).observe(this.#list);
    new ResizeObserver(() => this.#stuck && this.toBottom()).observe(this.#log);
    this.#swipe();
  }

  /** Show this chat from now on (or none). */
  show(chat) {
    this.chat = chat;
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#stuck = true;
    this.#jump.hidden = true;
    this.composer.show(chat);
    this.refresh();
    this.toBottom();
  }

  /** Bring the screen in line with what is known; nothing that has not changed is touched. */
  refresh() {
    const chat = this.chat;
    this.element.dataset.empty = chat ? "no" : "yes";
    this.#head();
    if (!chat) return;
    const blocks = blocksOf(chat.items, chat.unreadFrom);
    const keep = new Set(blocks.map((block) => block.key));
    for (const [key, entry] of this.#nodes)
      if (!keep.has(key)) {
        entry.node.remove();
        this.#nodes.delete(key);
      }
    let after = null;
    for (const block of blocks) {
      const node = this.#nodeOf(block);
      const expected = after ? after.nextSibling : this.#list.firstChild;
      if (node !== expected) this.#list.insertBefore(node, expected);
      after = node;
    }
    if (this.#stuck) this.toBottom();
  }

  #nodeOf(block) {
    const entry = this.#nodes.get(block.key);
    if (entry?.signature === block.signature) {
      if (block.kind === "message") update(entry.node, block);
      return entry.node;
    }
    const node = render(block, this.act);
    if (entry) {
      const controls = [...entry.node.querySelectorAll("button, a")];
      const focused = controls.indexOf(document.activeElement);
      entry.node.replaceWith(node);
      const edits = block.items[0]?.edits ?? 0;
      if (edits > entry.edits || entry.node.classList.contains("edited")) glow(node);
      if (focused >= 0) (node.querySelectorAll("button, a")[focused] ?? this.composer.field).focus({ preventScroll: true });
    }
    this.#nodes.set(block.key, { node, signature: block.signature, edits: block.items[0]?.edits ?? 0 });
    return node;
  }

  #head() {
    const chat = this.chat;
    const title = this.element.querySelector(".pane-title");
    title.textContent = chat ? (chat.key === "private" ? t("chat.private") : chat.title) : "";
    const note = !chat ? "" : chat.key === "private" ? "private" : chat.readOnly ? "readonly" : "group";
    this.element.querySelector(".pane-note").textContent = note ? t(`chat.${note}.note`) : "";
    this.element.querySelector(".pane-sign").replaceChildren(chat ? chatIcon(chat.key) : "");
    this.element.querySelector(".typing-words").textContent = t("state.typing");
    const nothing = this.element.querySelector(".nothing");
    nothing.hidden = Boolean(chat && (chat.items.length || (!chat.loaded && !chat.failed)));
    nothing.textContent = !chat
      ? t("chat.nogroup")
      : chat.failed
        ? t("chat.failed")
        : t(chat.key === "private" ? "chat.empty.private" : "chat.empty.group");
    if (chat) this.#log.setAttribute("aria-label", t("chat.log", { title: title.textContent }));
  }

  /** Whether the bot is at work on something said here; shown only when it takes a moment. */
  set typing(on) {
    if (on === (this.#typingTimer !== 0)) return;
    window.clearTimeout(this.#typingTimer);
    this.#typingTimer = 0;
    if (on)
      this.#typingTimer = window.setTimeout(() => {
        this.#typing.hidden = false;
        if (this.#stuck) this.toBottom();
      }, TYPING_AFTER_MS);
    else this.#typing.hidden = true;
  }

  /** Something new arrived: follow it, or offer to. */
  arrived(own) {
    if (own) this.#stuck = true;
    this.refresh();
    if (!this.#stuck) this.#jump.hidden = false;
  }

  toBottom() {
    this.#stuck = true;
    this.#jump.hidden = true;
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Scroll to a message and let it glow for a moment. */
  reveal(item) {
    const node = this.#nodes.get(item.key)?.node;
    if (!node) return;
    this.#stuck = false;
    node.scrollIntoView({ block: "center" });
    glow(node);
  }

  #scrolled() {
    const near = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_PX;
    this.#stuck = near;
    if (near) {
      this.#jump.hidden = true;
      this.onSeen();
    }
  }

  /** On a touch screen a message is pulled to the right to answer it. */
  #swipe() {
    let start = null;
    const settle = () => {
      if (start?.row) start.row.style.transform = "";
      start = null;
    };
    this.#list.addEventListener(
      "touchstart",
      (event) => {
        const row = event.target.closest(".row[data-message]");
        const touch = event.touches[0];
        start = row && event.touches.length === 1 && !event.target.closest("audio") ? { row, x: touch.clientX, y: touch.clientY } : null;
      },
      { passive: true },
    );
    this.#list.addEventListener(
      "touchmove",
      (event) => {
        if (!start) return;
        const touch = event.touches[0];
        const [dx, dy] = [touch.clientX - start.x, touch.clientY - start.y];
        if (Math.abs(dy) > 24 && Math.abs(dy) > dx) return settle();
        start.dx = dx;
        start.row.style.transform = dx > 10 ? `translateX(${Math.min(dx, SWIPE_PX + 12)}px)` : "";
      },
      { passive: true },
    );
    this.#list.addEventListener("touchend", () => {
      const answered = start && start.dx >= SWIPE_PX ? this.chat?.find(start.row.dataset.message) : null;
      settle();
      if (answered) this.act.reply(answered);
    });
    this.#list.addEventListener("touchcancel", settle);
  }
}

/** Mark a message softly for a moment; where motion is unwanted there is a frame that stays. */
function glow(node) {
  node.classList.remove("edited");
  void node.offsetWidth;
  node.classList.add("edited");
  node.addEventListener("animationend", () => node.classList.remove("edited"), { once: true });
}

/** What a screen reader hears of a message that came in. */
export function spoken(item, title) {
  const labels = (item.buttons ?? []).flat().map((button) => button.label);
  const choices = labels.length ? ` ${t("message.buttons", { labels: labels.join(t("comma")) })}` : "";
  return `${title ? `${title} ` : ""}${senderOf(item)}${t("colon")}${summaryOf(item)}${choices}`;
}

/** The list of chats: a button each, with what is unread. */
export function chatTabs(chats, current, onChoose) {
  return chats.map((chat) => {
    const short = chat.key.startsWith("grid-") ? "chat.grid" : `chat.${chat.key}`;
    const known = ["private", "party", "coordinators", "public"].includes(chat.key) || chat.key.startsWith("grid-");
    const title = chat.key === "private" ? t("chat.private") : chat.title;
    const name = h("span", { class: "tab-full" }, title);
    const brief = h("span", { class: "tab-short", "aria-hidden": "true" }, known ? t(short) : chat.title);
    const badge = chat.unread
      ? h("span", { class: "badge" }, String(chat.unread), h("span", { class: "unseen" }, t("chat.unread", { n: chat.unread })))
      : null;
    return h(
      "button",
      {
        type: "button",
        class: "tab",
        title,
        dataset: { chat: chat.key },
        "aria-current": current.has(chat.key) ? "true" : undefined,
        onclick: () => onChoose(chat.key),
      },
      h("span", { class: "tab-sign" }, chatIcon(chat.key)),
      name,
      brief,
      badge,
    );
  });
}
