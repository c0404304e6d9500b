/** Small helpers that build elements without any inline markup, style or script. */

import { t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// Stops at white space, quotation marks and Chinese punctuation: no space stands between an address and the words after it.
const ADDRESS = /https?:\/\/[^\s<>"'\u3000-\u303f\uff00-\uffef\u2018-\u201d]+/gu;

function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "word") {
      element.dataset.word = value;
      element.textContent = t(value);
    } else if (name === "label") {
      element.dataset.wordLabel = value;
      element.setAttribute("aria-label", t(value));
      element.setAttribute("title", t(value));
    } else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** An HTML element; `word` and `label` name an entry of the word table, `onclick` and its like are listeners. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, properties);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element. */
export function s(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  assign(element, properties);
  element.append(...children.flat().filter(Boolean));
  return element;
}

/** One drawing of the icon sheet, invisible to a screen reader. */
export function icon(name) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("use", { href: `/static/chat/icons.svg#${name}` }),
  );
}

/** Put the words of the current language into everything below `root` that names one. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-word]")) element.textContent = t(element.dataset.word);
  for (const element of root.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", t(element.dataset.wordLabel));
    element.setAttribute("title", t(element.dataset.wordLabel));
  }
  for (const element of root.querySelectorAll("[data-word-placeholder]"))
    element.setAttribute("placeholder", t(element.dataset.wordPlaceholder));
}

/** The element with this id; it is part of the page, so its absence is a programming error. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** Text in which web addresses are links. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, match.index));
    parts.push(h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** A new id for a frame or an album. */
export function newId() {
  // Outside a secure context (a plain address in the local network) browsers have no randomUUID.
  return crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A `localStorage`/`sessionStorage` that forgets quietly where the browser forbids it. */
export function memory(storage) {
  return {
    get(key) {
      try {
        return storage().getItem(key);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null || value === "") storage().removeItem(key);
        else storage().setItem(key, value);
      } catch {
        // Full or forbidden: the page works without it, for as long as it is open.
      }
    },
  };
}

export const tabMemory = memory(() => window.sessionStorage);
export const browserMemory = memory(() => window.localStorage);

/** Let a dialog be closed by its close button or a press beside it; Escape is the browser's own. */
export function closable(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog && !dialog.dataset.required) dialog.close();
  });
}
