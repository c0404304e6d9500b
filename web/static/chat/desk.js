/** One desk of chats, whoever sits at it: the connection, the chats and the page wired together. */

import { Connection } from "./connection.js";
import { browserMemory, byId, closable, newId, tabMemory, translate } from "./dom.js";
import { Pane, chatTabs, spoken } from "./pane.js";
import { announce, renderLink, toast } from "./page.js";
import { Lightbox } from "./photos.js";
import { Chat } from "./store.js";
import { iso } from "./time.js";
import { language, setLanguage, t } from "./words.js";

const PHONE = window.matchMedia("(max-width: 699px)");

/** The content of an address. Throws for anything but success; the error bears the status. */
export async function json(path) {
  const response = await fetch(path);
  if (!response.ok) throw Object.assign(new Error(`${path}: ${response.status}`), { status: response.status });
  return response.json();
}

/**
 * A desk for one page.
 *
 * `host` says what differs: `socketAddress(me)`, `chatsAddress(me)`, `historyAddress(me, key)`, `now()`, `plan()`, `askPlace(chat)`,
 * `start(payload)` (the frame that follows a deep link), `follows(address, me)` (whether a link is one of ours), `title(me)`, and what it
 * wants to hear of: `opened()`, `arrived(frame)`, `listed(chats)`, `spoke()`. `remembers`: unread marks outlive the page.
 */
export class Desk {
  me = null;
  chats = [];
  #group = null;
  #view = "private";
  #wasLost = false;
  #host;
  #panes;

  constructor(host) {
    this.#host = host;
    this.connection = new Connection((me) => host.socketAddress(me));
    const lightbox = new Lightbox();
    const act = {
      press: (item, button) => this.#pressButton(item, button),
      retry: (item) => this.#retrySending(item),
      reply: (item) => this.paneOf(this.#chatOf(item))?.composer.answer(item),
      enlarge: (urls, index) => lightbox.open(urls, index),
      deepLink: (address) => this.#deepLink(new URL(address)),
      quoted: (id) => this.chats.map((chat) => chat.find(id)).find(Boolean),
      reveal: (item) => this.paneOf(this.#chatOf(item))?.reveal(item),
      plan: () => host.plan(),
    };
    const composer = { send: (chat, parts) => this.send(chat, parts), askPlace: (chat) => host.askPlace(chat), say: toast };
    const onSeen = () => this.#markSeen();
    this.#panes = {
      private: new Pane(byId("pane-private"), { act, composer, onSeen }),
      group: new Pane(byId("pane-group"), { act, composer, onSeen }),
    };
    this.connection.addEventListener("frame", ({ detail }) => this.#receive[detail.type]?.(detail));
    this.connection.addEventListener("state", ({ detail }) => this.#linkChanged(detail));
    document.addEventListener("visibilitychange", onSeen);
    PHONE.addEventListener("change", onSeen);
    byId("link-now").addEventListener("click", () => this.connection.hurry());
    byId("language").addEventListener("click", () => {
      this.speak(language() === "zh" ? "en" : "zh");
      host.switched?.();
    });
    byId("type").addEventListener("click", () => setType(byId("type").getAttribute("aria-pressed") !== "true"));
    for (const dialog of document.querySelectorAll("dialog")) closable(dialog);
  }

  #chatOf(item) {
    return this.chats.find((chat) => chat.items.includes(item));
  }

  paneOf(chat) {
    return Object.values(this.#panes).find((pane) => pane.chat === chat && chat);
  }

  chat(key) {
    return this.chats.find((one) => one.key === key);
  }

  #isOnScreen(chat) {
    const pane = this.paneOf(chat);
    return Boolean(pane) && !document.hidden && (!PHONE.matches || this.#panes[this.#view] === pane);
  }

  /* ---- who and where ---------------------------------------------------------------------------------------- */

  /** Before anybody sits here: the type and the language that this browser last had. */
  begin() {
    setType(browserMemory.get("linshao.type") === "large");
    this.speak(browserMemory.get("linshao.language") ?? "zh");
  }

  enter(me) {
    this.me = me;
    this.chats = [];
    this.#group = null;
    this.#view = "private";
    this.#wasLost = false;
    this.#panes.private.show(null);
    this.#panes.group.show(null);
    this.connection.open(me);
  }

  #linkChanged(state) {
    renderLink(state);
    document.documentElement.dataset.link = state;
    if (state === "lost") this.#wasLost = true;
    if (state !== "open") {
      for (const chat of this.chats) for (const item of chat.items) if (item.state === "sending") item.state = "waiting";
      this.refresh();
      return;
    }
    if (this.#wasLost) toast(t("link.back"));
    this.#wasLost = false;
    this.#host.opened?.();
    this.#synchronise().catch(() => this.connection.retry());
  }

  /** After each connecting: which chats there are, what was said, then what waits goes out. */
  async #synchronise() {
    const me = this.me;
    if (!(await this.list())) return;
    await Promise.all(this.chats.map((chat) => this.#loadHistory(chat)));
    if (me !== this.me) return;
    for (const frame of this.connection.unfinished) if (!this.chats.some((chat) => chat.find(frame.id))) this.#showLocal(frame);
    this.refresh();
    this.connection.ready();
    document.documentElement.dataset.link = "ready";
    for (const chat of this.chats) for (const item of chat.items) if (item.state === "waiting") item.state = "sending";
    this.refresh();
  }

  /** Which chats there are now; a new one is read at once, one that is no longer ours goes. False when somebody else sits here by then. */
  async list() {
    const me = this.me;
    const listed = await json(this.#host.chatsAddress(me));
    if (me !== this.me) return false;
    const known = new Map(this.chats.map((chat) => [chat.key, chat]));
    this.chats = listed.map((description) => known.get(description.key) ?? new Chat(description, me));
    if (known.size === 0 || !this.chats.includes(this.#group)) this.#arrange();
    else if (known.size !== this.chats.length) this.#renderTabs();
    if (known.size) await Promise.all(this.chats.filter((chat) => !known.has(chat.key)).map((chat) => this.#loadHistory(chat)));
    this.#host.listed?.(this.chats);
    return me === this.me;
  }

  async #loadHistory(chat) {
    const arrived = chat.collect();
    const first = !chat.loaded;
    try {
      chat.takeHistory(await json(this.#host.historyAddress(this.me, chat.key)), arrived);
      if (first && this.#host.remembers) chat.unread = chat.markUnread(browserMemory.get(`linshao.seen.${chat.key}`));
    } catch {
      chat.failed = !chat.loaded;
    } finally {
      chat.collectors.delete(arrived);
    }
    this.paneOf(chat)?.refresh();
  }

  /** First look at somebody's chats: the private one, and the group that this tab showed last. */
  #arrange() {
    const groups = this.chats.filter((chat) => chat.key !== "private");
    const last = tabMemory.get(`linshao.group.${this.me}`);
    this.#group = groups.find((chat) => chat.key === last) ?? groups.find((chat) => !chat.readOnly) ?? groups[0] ?? null;
    this.#panes.private.show(this.chat("private") ?? null);
    this.#panes.group.show(this.#group);
    this.#renderTabs();
  }

  choose(key, focus = true) {
    const chat = this.chat(key);
    if (!chat) return;
    this.#view = key === "private" ? "private" : "group";
    if (this.#view === "group" && chat !== this.#group) {
      this.#group = chat;
      tabMemory.set(`linshao.group.${this.me}`, key);
      this.#panes.group.show(chat);
    }
    byId("panes").dataset.view = this.#view;
    this.#markSeen();
    this.#panes[this.#view].toBottom();
    if (focus && !PHONE.matches && !chat.readOnly) this.#panes[this.#view].composer.field.focus();
  }

  #markSeen() {
    for (const chat of this.chats)
      if (this.#isOnScreen(chat)) {
        chat.unread = 0;
        if (this.#host.remembers && chat.lastAt) browserMemory.set(`linshao.seen.${chat.key}`, chat.lastAt);
      }
    this.#renderTabs();
  }

  /**
   * What following a button's address means: a link to this very page for whoever sits here (or for nobody in particular) opens
   * the private chat in place, and `start=…` is said there as a messaging platform would say it. null: an ordinary link.
   */
  #deepLink(address) {
    if (!this.#host.follows(address, this.me)) return null;
    return () => {
      this.choose(address.searchParams.get("chat") ?? "private");
      const start = address.searchParams.get("start");
      const chat = this.chat("private");
      if (start && chat) this.send(chat, [this.#host.start(start)]);
    };
  }

  /* ---- out -------------------------------------------------------------------------------------------------- */

  /** Say what the page's own address brought, as soon as there is a connection; the frame's id. */
  bring(payload) {
    const frame = { id: newId(), chat: "private", ...this.#host.start(payload) };
    this.connection.send(frame);
    return frame.id;
  }

  send(chat, parts) {
    for (const { preview, ...part } of parts) {
      const frame = { id: newId(), chat: chat.key, ...part };
      this.#showLocal(frame, preview);
      this.connection.send(frame);
    }
    this.paneOf(chat)?.arrived(true);
  }

  /** A person's own words on the screen at once. */
  #showLocal(frame, preview) {
    const chat = this.chat(frame.chat);
    if (!chat || frame.type === "press" || frame.type === "start") return;
    chat.addLocal({
      local: frame.id,
      chat: frame.chat,
      frame,
      at: iso(this.#host.now()),
      text: frame.text ?? frame.caption ?? "",
      reply_to: frame.reply_to,
      album: frame.album,
      state: this.connection.state === "open" ? "sending" : "waiting",
      ...(frame.type === "photo" ? { photo: preview } : {}),
      ...(frame.type === "voice" ? { voice: preview } : {}),
      ...(frame.type === "file" ? { document: { name: frame.name, url: preview } } : {}),
      ...(frame.type === "sticker" ? { sticker: true } : {}),
      ...(frame.type === "location"
        ? { location: { lat: frame.lat, lon: frame.lon, accuracy: frame.accuracy, forwarded: frame.forwarded } }
        : {}),
    });
  }

  #pressButton(item, button) {
    const id = newId();
    item.press = { id, button };
    this.connection.send({ id, type: "press", chat: item.chat, message: item.message, button: button.action ?? button.label });
    this.paneOf(this.#chatOf(item))?.refresh();
  }

  /** Words that never reached the service go again under their id; what failed there is said anew. */
  #retrySending(item) {
    const id = item.acked ? newId() : item.local;
    Object.assign(item, { local: id, error: undefined, acked: false, state: this.connection.state === "open" ? "sending" : "waiting" });
    item.frame = { ...item.frame, id };
    this.connection.send(item.frame);
    this.paneOf(this.#chatOf(item))?.refresh();
  }

  /* ---- in --------------------------------------------------------------------------------------------------- */

  #receive = {
    ack: ({ id, message, at }) => {
      const item = this.#locally(id);
      if (!item) return;
      Object.assign(item, { acked: true, state: "received" }, message ? { message } : {}, at ? { at } : {});
      this.#showTyping();
      this.paneOf(this.#chatOf(item))?.refresh();
    },
    done: ({ id }) => {
      const item = this.#locally(id);
      if (item) {
        item.state = "done";
        const chat = this.#chatOf(item);
        // Its number in the history is needed to answer it later, and its picture's address to keep it.
        if (!item.message) this.#loadHistory(chat);
        this.paneOf(chat)?.refresh();
      }
      const pressed = this.#withPress(id);
      if (pressed) {
        delete pressed.press;
        this.paneOf(this.#chatOf(pressed))?.refresh();
      }
      this.#showTyping();
    },
    error: ({ id, text }) => {
      const item = this.#locally(id);
      const pressed = this.#withPress(id);
      if (item) Object.assign(item, { state: "failed", error: text });
      else if (pressed) pressed.press = { ...pressed.press, error: text || t("state.pressfailed") };
      else toast(text);
      this.paneOf(this.#chatOf(item ?? pressed))?.refresh();
      this.#showTyping();
    },
    toast: ({ text }) => toast(text),
    message: (frame) => {
      const chat = this.chat(frame.chat);
      if (!chat) return;
      const fresh = chat.receive(frame);
      this.#host.arrived?.(frame);
      if (!fresh) {
        this.paneOf(chat)?.refresh();
        return;
      }
      const visible = this.#isOnScreen(chat);
      if (!visible) chat.unread += 1;
      this.paneOf(chat)?.arrived(false);
      announce(visible ? spoken(frame, chat.key === "private" ? "" : chat.title) : t("message.elsewhere", { chat: chat.title }));
      if (visible) this.#markSeen();
      else this.#renderTabs();
    },
    edit: (frame) => {
      const chat = this.chat(frame.chat);
      const item = chat?.edit(frame);
      if (!item) return;
      this.paneOf(chat)?.refresh();
      if (this.#isOnScreen(chat)) announce(`${t("message.edited")}${t("colon")}${spoken(item, "")}`);
    },
  };

  #locally(id) {
    for (const chat of this.chats) for (const item of chat.items) if (item.local === id) return item;
    return null;
  }

  #withPress(id) {
    for (const chat of this.chats) for (const item of chat.items) if (item.press?.id === id) return item;
    return null;
  }

  /** The dots stand where something said is stored but not yet answered to the end. */
  #showTyping() {
    for (const pane of Object.values(this.#panes)) pane.typing = Boolean(pane.chat?.items.some((item) => item.state === "received"));
  }

  /* ---- the page around ---------------------------------------------------------------------------------------- */

  #renderTabs() {
    const shown = new Set(PHONE.matches ? [this.#view === "private" ? "private" : this.#group?.key] : ["private", this.#group?.key]);
    const focused = document.activeElement?.closest?.("#chats .tab")?.dataset.chat;
    byId("chats").replaceChildren(...chatTabs(this.chats, shown, (key) => this.choose(key)));
    if (focused) byId("chats").querySelector(`[data-chat="${CSS.escape(focused)}"]`)?.focus();
    const unread = this.chats.reduce((sum, chat) => sum + chat.unread, 0);
    document.title = `${unread ? `(${unread}) ` : ""}${this.#host.title(this.me)}`;
  }

  refresh() {
    for (const pane of Object.values(this.#panes)) pane.refresh();
    this.#showTyping();
    this.#renderTabs();
  }

  speak(next) {
    setLanguage(next);
    browserMemory.set("linshao.language", language());
    translate(document);
    for (const pane of Object.values(this.#panes)) {
      pane.composer.retranslate();
      pane.refresh();
    }
    this.#host.spoke?.();
    renderLink(this.connection.state);
    this.#renderTabs();
  }
}

function setType(large) {
  document.documentElement.dataset.type = large ? "large" : "normal";
  byId("type").setAttribute("aria-pressed", String(large));
  browserMemory.set("linshao.type", large ? "large" : null);
}
