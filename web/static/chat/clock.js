/** The demo's clock in the header, and the dialog that moves it forward or starts the demo again. */

import { byId } from "./dom.js";
import { clockTime, fromField, iso, longDay, nextAt, shortDay, toField } from "./time.js";
import { t } from "./words.js";

const POLL_MS = 20_000;

async function answer(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  let content = null;
  try {
    content = JSON.parse(text);
  } catch {
    // A plain sentence, or nothing: the status says enough.
  }
  return { status: response.status, ok: response.ok, content };
}

/** Emits `moved` when the demo's time jumped, `reset` when the demo started again and `status` with words to show. */
export class DemoClock extends EventTarget {
  #dialog = byId("clock");
  #base = null;
  #readAt = 0;
  #running = false;
  #nextWorkday = null;
  #busy = false;

  constructor() {
    super();
    byId("clock-open").addEventListener("click", () => this.open());
    byId("clock-running").addEventListener("change", (event) => this.#post({ running: event.target.checked }));
    byId("clock-half").addEventListener("click", () => this.#moveTo(new Date(this.now.getTime() + 30 * 60_000)));
    byId("clock-two").addEventListener("click", () => this.#moveTo(new Date(this.now.getTime() + 120 * 60_000)));
    byId("clock-digest").addEventListener("click", () => this.#moveTo(nextAt(this.now, 8, 30)));
    byId("clock-workday").addEventListener("click", () => this.#moveTo(this.#workday()));
    byId("clock-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const value = byId("clock-moment").value;
      if (value) this.#moveTo(fromField(value));
    });
    byId("reset-ask").addEventListener("click", () => this.#askReset(true));
    byId("reset-no").addEventListener("click", () => this.#askReset(false));
    byId("reset-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#reset();
    });
    window.setInterval(() => !document.hidden && this.read(), POLL_MS);
    window.setInterval(() => this.render(), 1000);
    document.addEventListener("visibilitychange", () => !document.hidden && this.read());
  }

  /** The demo's time now; the browser's until it has been read. */
  get now() {
    if (!this.#base) return new Date();
    return new Date(this.#base.getTime() + (this.#running ? performance.now() - this.#readAt : 0));
  }

  async read() {
    try {
      const response = await fetch("/demo/clock");
      if (response.ok) this.#take(await response.json());
    } catch {
      // The connection's own banner says that the service is away.
    }
  }

  /** A message bears a later time than the clock shows: somebody else moved it. */
  hint(at) {
    if (at && this.#base && new Date(at).getTime() > this.now.getTime() + 1500) this.read();
  }

  open() {
    this.#say("");
    this.#askReset(false);
    byId("clock-moment").value = toField(new Date(this.now.getTime() + 3_600_000));
    byId("reset-moment").value = "";
    this.#dialog.showModal();
    this.render();
  }

  render() {
    if (!this.#base) return;
    const now = this.now;
    byId("clock-time").textContent = clockTime(now);
    byId("clock-day").textContent = shortDay(now);
    byId("clock-open").dataset.running = this.#running ? "yes" : "no";
    const state = t(this.#running ? "clock.running" : "clock.paused");
    byId("clock-open").setAttribute("aria-label", `${t("clock.open", { now: `${longDay(now)} ${clockTime(now)}` })} ${state}`);
    if (!this.#dialog.open) return;
    byId("clock-now-day").textContent = longDay(now);
    byId("clock-now-time").textContent = clockTime(now);
    byId("clock-running").checked = this.#running;
    byId("clock-state").textContent = state;
  }

  #take(clock) {
    this.#base = new Date(clock.now);
    this.#readAt = performance.now();
    this.#running = clock.running !== false;
    this.#nextWorkday = clock.next_workday ? new Date(clock.next_workday) : null;
    this.render();
  }

  /** The service knows the make-up workdays and says the next one; without its word it is Monday to Friday. */
  #workday() {
    return this.#nextWorkday && this.#nextWorkday > this.now ? this.#nextWorkday : nextAt(this.now, 9, 0, true);
  }

  async #moveTo(moment) {
    if (this.#busy) return;
    if (moment <= this.now) return this.#say(t("clock.backward"), true);
    const words = `${longDay(moment)} ${clockTime(moment)}`;
    this.#say(t("clock.moving", { now: words }));
    if (await this.#post({ now: iso(moment) })) this.#say(t("clock.moved", { now: words }));
  }

  async #post(body) {
    this.#setBusy(true);
    try {
      const { ok, status, content } = await answer("/demo/clock", body);
      if (ok) {
        if (content?.now) this.#take(content);
        else await this.read();
        this.dispatchEvent(new CustomEvent("moved"));
        return true;
      }
      const refusal = content?.text ?? content?.error ?? (status === 409 ? t("clock.real") : t("clock.failed"));
      this.#say(refusal, true);
      await this.read();
    } catch {
      this.#say(t("clock.failed"), true);
    } finally {
      this.#setBusy(false);
    }
    this.render();
    return false;
  }

  #askReset(asking) {
    byId("reset-ask").hidden = asking;
    byId("reset-form").hidden = !asking;
    byId("reset-status").textContent = "";
    if (asking) byId("reset-no").focus();
  }

  async #reset() {
    const value = byId("reset-moment").value;
    byId("reset-status").textContent = t("reset.doing");
    this.#setBusy(true);
    try {
      const { ok, content } = await answer("/demo/reset", value ? { now: iso(fromField(value)) } : {});
      if (!ok) {
        byId("reset-status").textContent = content?.text ?? content?.error ?? t("reset.failed");
        return;
      }
      await this.read();
      this.#dialog.close();
      this.dispatchEvent(new CustomEvent("reset"));
    } catch {
      byId("reset-status").textContent = t("reset.failed");
    } finally {
      this.#setBusy(false);
    }
  }

  #say(words, refused = false) {
    byId("clock-status").textContent = words;
    byId("clock-status").dataset.refused = refused ? "yes" : "no";
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#dialog.setAttribute("aria-busy", String(busy));
    for (const control of this.#dialog.querySelectorAll("[data-moves]")) control.disabled = busy;
  }
}
