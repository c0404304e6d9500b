/** Who a person is: choosing a persona, its roles in words, its colour. */

import { byId, h, icon } from "./dom.js";
import { has, language, t } from "./words.js";

const STAFF_ROLES = new Set([
  "grid_leader",
  "branch_secretary",
  "community_clerk",
  "coordinator",
  "community_secretary",
  "unit_liaison",
  "street_organizer",
  "admin",
]);
// One of each, for somebody who comes for the first time.
const SUGGESTIONS = [
  { id: "R101", word: "suggest.resident" },
  { id: "M03", word: "suggest.member" },
  { id: "ST05", word: "suggest.leader" },
  { id: "ST02", word: "suggest.coordinator" },
];
const TINTS = 6;

/** Whether this id is a visitor's, whom nobody knows. */
export function isVisitor(id) {
  return id.startsWith("new:");
}

/** The name to show of a persona id. */
export function nameOf(id, people) {
  return isVisitor(id) ? id.slice("new:".length) : (people.find((person) => person.id === id)?.name ?? id);
}

/** Roles in the page's language, most telling first. */
export function rolesOf(person) {
  const words = (person.roles ?? []).filter((role) => has(`role.${role}`)).map((role) => t(`role.${role}`));
  return [...new Set(words)].join(language() === "zh" ? "、" : ", ");
}

/** One of six calm colours, always the same one for a person. */
export function tintOf(id) {
  let sum = 0;
  for (const character of String(id)) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return String(sum % TINTS);
}

/** The round sign of a person: the first character of the name. */
export function avatar(id, name) {
  return h("span", { class: "avatar", "aria-hidden": "true", dataset: { tint: tintOf(id) } }, [...(name || "?")][0]);
}

function groupOf(person) {
  const roles = person.roles ?? [];
  if (roles.some((role) => STAFF_ROLES.has(role))) return "staff";
  if (roles.some((role) => role.endsWith("member")) || person.id.startsWith("M")) return "members";
  return roles.length === 0 && !person.id.startsWith("R") ? "staff" : "residents";
}

/** The dialog that asks who one is; `onChoose(id)` is called with the answer. */
export class PeopleDialog {
  #dialog = byId("people");
  #list = byId("people-list");
  #search = byId("people-search");
  #people = [];
  #onChoose;

  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.#search.addEventListener("input", () => this.render());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      const only = this.#list.querySelectorAll("button.person");
      if (only.length && this.#search.value.trim()) only[0].click();
    });
    byId("visitor-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("visitor-name").value.trim();
      if (name) this.#choose(`new:${name}`);
    });
    this.#dialog.addEventListener("cancel", (event) => {
      if (this.#dialog.dataset.required) event.preventDefault();
    });
  }

  set people(people) {
    this.#people = people;
    this.render();
  }

  /** Ask. `required`: there is nobody yet, so the question cannot be waved away; `note` says why it is asked. */
  open({ required = false, note = "" } = {}) {
    this.#search.value = "";
    if (required) this.#dialog.dataset.required = "yes";
    else delete this.#dialog.dataset.required;
    byId("people-close").hidden = required;
    byId("people-note").textContent = note;
    byId("people-note").hidden = !note;
    this.render();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#search.focus();
  }

  render() {
    const wanted = this.#search.value.trim().toLowerCase();
    const matches = (person) =>
      [person.id, person.name, rolesOf(person), (person.roles ?? []).join(" ")].join(" ").toLowerCase().includes(wanted);
    const shown = this.#people.filter(matches);
    const sections = [];
    if (!wanted) sections.push(this.#suggested());
    for (const group of ["residents", "members", "staff"]) {
      const people = shown.filter((person) => groupOf(person) === group);
      if (people.length === 0) continue;
      sections.push(
        h(
          "section",
          { "aria-labelledby": `people-${group}` },
          h(
            "h3",
            { id: `people-${group}` },
            t(`people.${group}`),
            h("span", { class: "quiet" }, ` ${t("people.count", { n: people.length })}`),
          ),
          h("div", { class: "people-grid" }, people.map((person) => this.#card(person, rolesOf(person)))),
        ),
      );
    }
    if (shown.length === 0) sections.push(h("p", { class: "quiet" }, t("people.none")));
    this.#list.replaceChildren(...sections.filter(Boolean));
  }

  #suggested() {
    const cards = SUGGESTIONS.map(({ id, word }) => [this.#people.find((person) => person.id === id), word])
      .filter(([person]) => person)
      .map(([person, word]) => this.#card(person, `${rolesOf(person)} · ${t(word)}`));
    if (cards.length === 0) return null;
    return h(
      "section",
      { class: "suggested", "aria-labelledby": "people-suggested" },
      h("h3", { id: "people-suggested" }, t("people.suggested")),
      h("div", { class: "people-grid" }, cards),
    );
  }

  #card(person, line) {
    return h(
      "button",
      { type: "button", class: "person", dataset: { persona: person.id }, onclick: () => this.#choose(person.id) },
      avatar(person.id, person.name),
      h("span", { class: "person-text" }, h("span", { class: "person-name" }, person.name), h("span", { class: "quiet" }, line)),
      h("span", { class: "person-id" }, person.id),
    );
  }

  #choose(id) {
    delete this.#dialog.dataset.required;
    this.#dialog.close();
    this.#onChoose(id);
  }
}

/** The sign for a chat in the list: the whistle, a group, a star for the party's, a loudspeaker for news. */
export function chatIcon(key) {
  if (key === "private") return h("img", { src: "/static/chat/mark.svg", alt: "", class: "mark" });
  return icon(key === "public" ? "news" : key === "party" ? "star" : key === "coordinators" ? "clock" : "group");
}
