/** Recording a voice message, or choosing a recorded file where there is no microphone. */

import { byId } from "./dom.js";
import { t } from "./words.js";

const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/webm", "audio/ogg;codecs=opus"];
const LONGEST_MS = 120_000;

/** Whether this browser records at all; whether it may is asked when somebody wants to. */
export function canRecord() {
  return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);
}

/** The bar that replaces the composer's text field while somebody speaks. `onSend(blob)` gets the recording. */
export class Recorder {
  #recorder = null;
  #stream = null;
  #chunks = [];
  #started = 0;
  #ticking = 0;
  #cancelled = false;
  #onSend = null;

  /** Start to record for one composer; false when there is no microphone or it was refused. */
  async start(bar, onSend) {
    if (this.#recorder || !canRecord()) return false;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return false;
    }
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(this.#stream, mimeType ? { mimeType } : {});
    this.#chunks = [];
    this.#cancelled = false;
    this.#onSend = onSend;
    this.#recorder.addEventListener("dataavailable", (event) => event.data.size && this.#chunks.push(event.data));
    this.#recorder.addEventListener("stop", () => this.#finish(bar));
    this.#recorder.start();
    this.#started = performance.now();
    bar.hidden = false;
    this.#tick(bar);
    this.#ticking = window.setInterval(() => this.#tick(bar), 250);
    bar.querySelector("[data-act=stop]").focus();
    return true;
  }

  stop() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
  }

  cancel() {
    this.#cancelled = true;
    this.stop();
  }

  get active() {
    return this.#recorder !== null;
  }

  #tick(bar) {
    const passed = performance.now() - this.#started;
    const seconds = Math.floor(passed / 1000);
    bar.querySelector("[data-time]").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (passed > LONGEST_MS) this.stop();
  }

  #finish(bar) {
    window.clearInterval(this.#ticking);
    for (const track of this.#stream.getTracks()) track.stop();
    const blob = new Blob(this.#chunks, { type: this.#recorder.mimeType || "audio/webm" });
    this.#recorder = null;
    bar.hidden = true;
    if (!this.#cancelled && blob.size) this.#onSend(blob);
    else bar.dispatchEvent(new CustomEvent("cancelled", { bubbles: true }));
  }
}

/** Say that there is no microphone and offer to choose a file; `onSend(blob)` gets it. */
export function offerVoiceFile(onSend) {
  const dialog = byId("nomicrophone");
  const field = byId("voice-file");
  byId("nomicrophone-words").textContent = t("voice.nomicrophone");
  field.value = "";
  field.onchange = () => {
    dialog.close();
    if (field.files[0]) onSend(field.files[0]);
  };
  dialog.showModal();
}
