/**
 * The socket and the outbox: what a person said is sent, in order, and takes effect once.
 *
 * A frame stays in the outbox until its `done` (or `error`). After a lost connection everything in it goes out again
 * under the same id, which the service answers without doing it twice.
 */

import { tabMemory } from "./dom.js";

const BACKOFF_MS = [300, 1000, 2000, 4000, 8000];
const SILENCE_MS = 30_000;
// Recordings and pictures do not fit into the tab's memory; they live as long as the page does.
const KEPT_TYPES = new Set(["text", "press", "location", "sticker", "start"]);

export class Connection extends EventTarget {
  #socket = null;
  #outbox = new Map();
  #attempt = 0;
  #timer = 0;
  #ready = false;
  #persona = null;
  state = "closed";

  /** `address(me)`: the path of this person's socket. */
  constructor(address) {
    super();
    this.address = address;
    window.addEventListener("online", () => this.hurry());
    window.setInterval(() => this.#watch(), 5000);
  }

  /** Be this persona from now on. What that persona had not got rid of in this tab goes out again. */
  open(persona) {
    this.close();
    this.#persona = persona;
    this.#outbox = new Map();
    for (const frame of this.#remembered()) this.#outbox.set(frame.id, { frame, acked: false, sentAt: 0 });
    this.#connect();
  }

  close() {
    window.clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    this.#persona = null;
    if (socket) socket.close();
    this.#become("closed");
  }

  /** Connect now instead of at the next turn of the back-off. */
  hurry() {
    if (!this.#persona || this.state !== "lost") return;
    this.#attempt = 0;
    this.#connect();
  }

  /** The histories could not be read although the socket stands: begin again. */
  retry() {
    const socket = this.#socket;
    if (!socket) return;
    this.#lose();
    socket.close();
  }

  /** Frames that wait for their `done`, oldest first. */
  get unfinished() {
    return [...this.#outbox.values()].map((entry) => entry.frame);
  }

  /** Put a frame into the outbox and send it as soon as there is a connection. */
  send(frame) {
    const entry = { frame, acked: false, sentAt: 0 };
    this.#outbox.set(frame.id, entry);
    this.#remember();
    if (this.#ready) this.#transmit(entry);
  }

  /** The histories have been read: send what waits. Called once after each `open` event. */
  ready() {
    if (this.state !== "open") return;
    this.#ready = true;
    for (const entry of this.#outbox.values()) this.#transmit(entry);
  }

  /** Forget everything that waits (the demo was reset). */
  forget() {
    this.#outbox.clear();
    this.#remember();
  }

  #connect() {
    window.clearTimeout(this.#timer);
    const address = new URL(this.address(this.#persona), window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#ready = false;
    if (this.state !== "lost") this.#become("connecting");
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#attempt = 0;
      this.#become("open");
    });
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#receive(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#lose();
    });
  }

  #lose() {
    this.#socket = null;
    this.#ready = false;
    const pause = BACKOFF_MS[Math.min(this.#attempt, BACKOFF_MS.length - 1)];
    this.#attempt += 1;
    this.#timer = window.setTimeout(() => this.#connect(), pause * (0.8 + Math.random() * 0.4));
    this.#become("lost");
  }

  #transmit(entry) {
    entry.sentAt = Date.now();
    this.#socket.send(JSON.stringify(entry.frame));
  }

  #receive(frame) {
    const entry = this.#outbox.get(frame.id);
    if (frame.type === "ack" && entry) entry.acked = true;
    if ((frame.type === "done" || frame.type === "error") && entry) {
      this.#outbox.delete(frame.id);
      this.#remember();
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  /** A socket that swallows frames without an `ack` is dead although nobody said so. */
  #watch() {
    if (!this.#ready) return;
    const silent = [...this.#outbox.values()].some((entry) => !entry.acked && Date.now() - entry.sentAt > SILENCE_MS);
    if (silent) this.retry();
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  #remember() {
    const kept = this.unfinished.filter((frame) => KEPT_TYPES.has(frame.type));
    tabMemory.set(`linshao.outbox.${this.#persona}`, kept.length ? JSON.stringify(kept) : null);
  }

  #remembered() {
    try {
      return JSON.parse(tabMemory.get(`linshao.outbox.${this.#persona}`) ?? "[]");
    } catch {
      return [];
    }
  }
}
