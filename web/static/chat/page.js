/** What is the same whatever is talked about: the head of the page, short answers, what a screen reader hears. */

import { byId, h } from "./dom.js";
import { avatar, isVisitor, nameOf } from "./people.js";
import { t } from "./words.js";

/** Let a screen reader say these words. */
export function announce(words) {
  byId("announcer").append(h("p", {}, words));
  while (byId("announcer").childElementCount > 6) byId("announcer").firstChild.remove();
}

/** Show a short answer for as long as it takes to read. */
export function toast(words) {
  if (!words) return;
  const bubble = h("p", { class: "toast" }, words);
  const open = document.querySelectorAll("dialog[open]");
  const host = open[open.length - 1];
  // A modal dialog covers everything else, so the words go inside it.
  if (host) host.append(byId("toasts"));
  else document.body.append(byId("toasts"));
  byId("toasts").append(bubble);
  window.setTimeout(() => bubble.remove(), 3500 + words.length * 90);
}

/** Who one is, in the head of the page; null before anybody was chosen. */
export function renderHeader(persona, people) {
  const name = persona ? nameOf(persona, people) : "";
  const shownId = persona && !isVisitor(persona) ? persona : t("role.visitor");
  byId("persona-open").hidden = !persona;
  byId("persona-open").replaceChildren(
    persona ? avatar(persona, name) : "",
    h("span", { class: "chip-text" }, h("span", { class: "chip-name" }, name), h("span", { class: "quiet" }, persona ? shownId : "")),
  );
  byId("persona-open").setAttribute("aria-label", `${name} ${shownId}. ${t("people.change")}`);
  byId("persona-open").title = t("people.change");
}

/** Say that the connection is lost; nothing is said while it stands. */
export function renderLink(state) {
  const lost = state === "lost";
  byId("link").hidden = !lost;
  byId("link-words").textContent = lost ? t("link.lost") : "";
}
