/** Pictures on their way out, and looking at one in full size. */

import { byId } from "./dom.js";

// Twenty megabytes as base64 would be refused by most services; a phone's picture is made smaller first.
export const LARGEST_BYTES = 12_000_000;
const KEPT_BYTES = 1_500_000;
const LONGEST_SIDE = 2400;

/** The picture ready to send: as it is when it is small, scaled down otherwise. Throws `unreadable` or `toolarge`. */
export async function prepare(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("unreadable");
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && file.size <= KEPT_BYTES && /^image\/(jpeg|png)$/.test(file.type)) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const smaller = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.86));
  if (!smaller || smaller.size > LARGEST_BYTES) throw new Error("toolarge");
  return smaller;
}

/** The bytes of a blob as base64, without a `data:` prefix. */
export async function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

/** Full-size view of the pictures of one album, arrow keys to walk. */
export class Lightbox {
  #dialog = byId("lightbox");
  #picture = byId("lightbox-picture");
  #urls = [];
  #index = 0;

  constructor() {
    byId("lightbox-previous").addEventListener("click", () => this.#show(this.#index - 1));
    byId("lightbox-next").addEventListener("click", () => this.#show(this.#index + 1));
    this.#dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#show(this.#index - 1);
      if (event.key === "ArrowRight") this.#show(this.#index + 1);
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  open(urls, index) {
    this.#urls = urls;
    this.#dialog.showModal();
    this.#show(index);
  }

  #show(index) {
    this.#index = Math.min(this.#urls.length - 1, Math.max(0, index));
    this.#picture.src = this.#urls[this.#index];
    byId("lightbox-previous").hidden = this.#index === 0;
    byId("lightbox-next").hidden = this.#index === this.#urls.length - 1;
  }
}
