/** What the page knows of each chat: its messages in order, the person's own unfinished ones, draft and unread count. */

import { tabMemory } from "./dom.js";

/** The words of a frame or message by which a person's own message is recognised when it comes back. */
function fingerprint(item) {
  const kind = item.location
    ? "location"
    : item.sticker
      ? "sticker"
      : item.voice
        ? "voice"
        : item.photo
          ? "photo"
          : "text";
  return kind === "text" || kind === "photo" ? `${kind}:${(item.text ?? "").trim()}` : kind;
}

export class Chat {
  /** @param {{key: string, title: string, read_only?: boolean}} description */
  constructor(description, persona) {
    this.key = description.key;
    this.title = description.title;
    this.readOnly = Boolean(description.read_only);
    this.persona = persona;
    this.items = [];
    this.unread = 0;
    this.loaded = false;
    this.failed = false;
    this.unreadFrom = null;
    this.photos = [];
    this.replyTo = null;
    this.collectors = new Set();
  }

  get draft() {
    return tabMemory.get(`linshao.draft.${this.persona}.${this.key}`) ?? "";
  }

  set draft(text) {
    tabMemory.set(`linshao.draft.${this.persona}.${this.key}`, text);
  }

  /** The item that has this message id, or that was sent under this client id. */
  find(id) {
    return this.items.find((item) => item.message === id || item.local === id);
  }

  /** When the last message was sent that the service knows of. */
  get lastAt() {
    for (let index = this.items.length - 1; index >= 0; index -= 1) if (this.items[index].message) return this.items[index].at;
    return "";
  }

  /** Mark what came after `seen` (a time as in `at`; null: never here before) as new; how much that is. */
  markUnread(seen) {
    const fresh = seen ? this.items.filter((item) => !item.own && item.at > seen) : [];
    this.unreadFrom = fresh.length ? fresh[0].key : null;
    return fresh.length;
  }

  isOwn(frame) {
    return frame.from !== undefined && frame.from !== null && (this.key === "private" || frame.from === this.persona);
  }

  /** A person's own words, shown before the service has seen them. */
  addLocal(item) {
    this.items.push({ key: item.local, own: true, from: this.persona, state: "sending", ...item });
  }

  /** Note from now on what arrives: for `takeHistory`, while the history is being read. */
  collect() {
    const arrived = [];
    this.collectors.add(arrived);
    return arrived;
  }

  /** A `message` frame. True when it was new to this chat and another's. */
  receive(frame) {
    for (const arrived of this.collectors) arrived.push(frame);
    return this.#add(frame);
  }

  /** An `edit` frame. The item that it changed, if it is here. */
  edit(frame) {
    for (const arrived of this.collectors) arrived.push(frame);
    return this.#change(frame);
  }

  #add(frame) {
    const known = this.find(frame.message);
    if (known) {
      Object.assign(known, frame);
      return false;
    }
    const own = this.isOwn(frame);
    const copy = own ? this.#localCopyOf(frame) : null;
    if (copy) Object.assign(copy, frame, { own: true, voice: frame.voice ?? copy.voice });
    else this.items.push({ ...frame, key: frame.message, own });
    return !own;
  }

  #change(frame) {
    const item = this.find(frame.message);
    if (!item) return null;
    for (const field of ["text", "buttons", "photo", "document"]) delete item[field];
    Object.assign(item, frame, { edits: (item.edits ?? 0) + 1 });
    return item;
  }

  /**
   * The stored history is the truth: take it over, keep what is still under way, and what arrived while it was read.
   * An item that was there before keeps its identity, so that nothing on the screen jumps.
   */
  takeHistory(history, arrived) {
    const before = new Map(this.items.filter((item) => item.message).map((item) => [item.message, item]));
    const next = [];
    for (const frame of history) {
      const own = this.isOwn(frame);
      const known = before.get(frame.message) ?? (own ? this.#localCopyOf(frame) : null);
      if (known) next.push(Object.assign(known, { buttons: undefined }, frame, { own }));
      else next.push({ ...frame, key: frame.message, own });
    }
    const present = new Set(next);
    const since = new Set(arrived.map((frame) => frame.message));
    const stays = (item) => since.has(item.message) || (item.local && !item.message && item.state !== "done");
    this.items = [...next, ...this.items.filter((item) => !present.has(item) && stays(item))];
    for (const frame of arrived) {
      if (frame.type === "edit") this.#change(frame);
      else this.#add(frame);
    }
    this.loaded = true;
    this.failed = false;
  }

  #localCopyOf(frame) {
    const waiting = this.items.filter((item) => item.local && !item.message);
    if (frame.id) return waiting.find((item) => item.local === frame.id) ?? null;
    return waiting.find((item) => fingerprint(item) === fingerprint(frame)) ?? null;
  }
}
