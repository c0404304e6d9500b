/** From what is known of a chat to what stands on the screen: days, runs of one sender, albums, bubbles. */

import { h, icon, linked } from "./dom.js";
import { avatar } from "./people.js";
import { locationCard } from "./plan.js";
import { clockTime, dayKey, longDay } from "./time.js";
import { language, t } from "./words.js";

const RUN_MS = 10 * 60_000;

/** An address that may be opened or shown: this page's own kinds only, never `javascript:`. */
export function safeUrl(address) {
  try {
    const url = new URL(address, window.location.href);
    return ["http:", "https:", "blob:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Items → blocks: a day's line, the line above what is new since the last visit (`unreadFrom`: the key of its first item), or one or more messages in one bubble (an album). Each has a key and a signature. */
export function blocksOf(items, unreadFrom = null) {
  const blocks = [];
  let previous = null;
  for (const item of items) {
    const at = item.at ? new Date(item.at) : null;
    const day = at ? dayKey(at) : previous?.day;
    if (day && day !== previous?.day) blocks.push({ key: `day-${day}`, kind: "day", items: [], at, signature: language() + day });
    if (unreadFrom && item.key === unreadFrom) {
      blocks.push({ key: "unread", kind: "unread", items: [], signature: language() });
      previous = null;
    }
    const sender = item.own ? "me" : (item.from ?? "");
    const last = blocks[blocks.length - 1];
    const sameAlbum = item.photo && item.album && last?.kind === "message" && last.items[0].album === item.album;
    if (sameAlbum && previous.sender === sender) last.items.push(item);
    else {
      const soon = !at || !previous?.at || at - previous.at < RUN_MS;
      const first = !previous || previous.sender !== sender || previous.day !== day || !soon;
      blocks.push({ key: item.key, kind: "message", items: [item], first });
    }
    previous = { sender, day, at: at ?? previous?.at };
  }
  for (const block of blocks)
    if (block.kind === "message") block.signature = JSON.stringify([language(), block.first, block.items.map(facts)]);
  return blocks;
}

function facts(item) {
  const { message, text, buttons, photo, document, voice, location, sticker, reply_to, from_name, at, edits, press, error } = item;
  const failed = item.state === "failed";
  return [message, text, buttons, photo, document, voice, location, sticker, reply_to, from_name, at, edits, press, error, failed];
}

/** One line that says what a message is about: for a quotation and for a screen reader. */
export function summaryOf(item) {
  const words = [];
  if (item.photo) words.push(`[${t("message.photo")}]`);
  if (item.voice) words.push(`[${t("message.voice")}]`);
  if (item.location) words.push(`[${t("message.location")}]`);
  if (item.sticker) words.push(`[${t("message.sticker")}]`);
  if (item.document) words.push(`[${t("message.document")}] ${item.document.name}`);
  if (item.text) words.push(item.text);
  return words.join(" ").replace(/\s+/g, " ");
}

/** Who says it, in words. */
export function senderOf(item) {
  if (item.own) return t("message.me");
  return item.from ? (item.from_name || t("message.somebody")) : t("app.name");
}

/** The element of a block. `act` answers: press, retry, reply, enlarge, follow, quoted, plan. */
export function render(block, act) {
  if (block.kind === "day") return h("div", { class: "day" }, h("span", {}, longDay(block.at)));
  if (block.kind === "unread") return h("div", { class: "day unread" }, h("span", {}, t("message.unread")));
  const item = block.items[0];
  const row = h("article", { class: "row", dataset: { side: item.own ? "own" : "other" } });
  if (block.first) row.dataset.first = "yes";
  if (item.message) row.dataset.message = item.message;
  if (!item.own) row.append(block.first ? sign(item) : h("span", { class: "avatar-gap" }));
  const column = h("div", { class: "column" });
  if (block.first && !item.own)
    column.append(h("div", { class: "sender" }, h("span", { class: "sender-name" }, senderOf(item)), time(item)));
  const bare = item.sticker && !item.text;
  const bubble = h("div", { class: bare ? "bubble bare" : "bubble" });
  if (item.reply_to) bubble.append(quotation(item, act));
  if (block.items.some((one) => one.photo)) bubble.append(album(block.items, act));
  if (item.location) bubble.append(locationCard(item.location, act.plan()));
  if (item.voice) bubble.append(h("audio", { controls: true, preload: "metadata", src: safeUrl(voiceUrl(item.voice)), "aria-label": t("message.voice") }));
  if (item.sticker) bubble.append(h("img", { class: "sticker", src: "/static/chat/sticker.svg", alt: t("message.sticker") }));
  for (const one of block.items) if (one.text) bubble.append(h("p", { class: "text" }, linked(one.text)));
  if (item.document) bubble.append(documentCard(item.document));
  if (item.buttons?.length) bubble.append(buttons(item, act));
  const line = h("div", { class: "line" }, bubble);
  if (item.message) line.append(replyButton(item, act));
  column.append(line);
  if (item.press?.error) column.append(trouble(t("state.pressfailed"), item.press.error, () => act.press(item, item.press.button)));
  for (const one of block.items)
    if (one.state === "failed") column.append(trouble(t("state.failed"), one.error, () => act.retry(one)));
  if (item.own) column.append(h("div", { class: "state" }));
  row.append(column);
  row.setAttribute("aria-label", `${senderOf(item)}${t("colon")}${summaryOf(item)}`);
  update(row, block);
  return row;
}

/** What changes on the way of an own message changes in place: nothing is announced or redrawn for it. */
export function update(row, block) {
  const line = row.querySelector(":scope > .column > .state");
  if (!line) return;
  const item = block.items.find((one) => one.state && one.state !== "done") ?? block.items[0];
  const state = item.state ?? "done";
  row.dataset.state = state;
  if (state === "failed") return line.replaceChildren();
  if (state === "waiting" || state === "sending") return line.replaceChildren(t(`state.${state}`));
  const mark = h("span", { class: "ticks", title: t(`state.${state}`) }, state === "received" ? t("state.received") : "✓✓");
  if (state === "done") mark.append(h("span", { class: "unseen" }, t("state.done")));
  line.replaceChildren(time(item), mark);
}

function sign(item) {
  if (item.from) return avatar(item.from, senderOf(item));
  return h("span", { class: "avatar bot", "aria-hidden": "true" }, h("img", { src: "/static/chat/mark.svg", alt: "" }));
}

function time(item) {
  if (!item.at) return "";
  const at = new Date(item.at);
  return h("time", { datetime: item.at, title: `${longDay(at)} ${clockTime(at)}` }, clockTime(at));
}

function voiceUrl(voice) {
  return typeof voice === "string" ? voice : voice.url;
}

function album(items, act) {
  const urls = items.map((item) => safeUrl(item.photo)).filter(Boolean);
  const thumbnails = urls.map((url, index) =>
    h(
      "button",
      { type: "button", class: "thumbnail", label: "message.photo.open", onclick: () => act.enlarge(urls, index) },
      h("img", { src: url, alt: t("message.photo"), loading: "lazy" }),
    ),
  );
  return h("div", { class: "album", dataset: { count: String(Math.min(urls.length, 4)) } }, thumbnails);
}

function documentCard({ name, url }) {
  const address = safeUrl(url);
  return h(
    "a",
    { class: "document", href: address, download: name },
    icon("file"),
    h("span", { class: "document-name" }, name),
    h("span", { class: "document-open" }, icon("download"), h("span", { class: "unseen" }, t("message.document.open"))),
  );
}

function buttons(item, act) {
  const busy = item.press && !item.press.error;
  const rows = item.buttons.map((row) =>
    h(
      "div",
      { class: "button-row" },
      row.map((button) => {
        const address = button.url ? safeUrl(button.url) : null;
        if (address) return linkButton(button, address, act);
        const pressed = busy && item.press.button.label === button.label;
        return h(
          "button",
          {
            type: "button",
            class: "choice",
            disabled: busy,
            "aria-busy": pressed ? "true" : undefined,
            dataset: { action: button.action ?? "" },
            onclick: () => act.press(item, button),
          },
          button.label,
        );
      }),
    ),
  );
  return h("div", { class: "choices", role: "group", "aria-label": t("message.choices") }, rows);
}

function linkButton(button, address, act) {
  const inPlace = act.deepLink(address);
  const properties = { class: "choice", href: address };
  if (inPlace)
    properties.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      inPlace();
    };
  else Object.assign(properties, { target: "_blank", rel: "noopener" });
  return h("a", properties, button.label, inPlace ? "" : icon("link"));
}

function quotation(item, act) {
  const quoted = act.quoted(item.reply_to);
  if (!quoted) return h("p", { class: "quotation" }, t("message.gone"));
  return h(
    "button",
    { type: "button", class: "quotation", onclick: () => act.reveal(quoted) },
    h("strong", {}, senderOf(quoted)),
    h("span", {}, summaryOf(quoted)),
  );
}

function replyButton(item, act) {
  return h("button", { type: "button", class: "reply-button", label: "composer.reply", onclick: () => act.reply(item) }, icon("reply"));
}

function trouble(words, reason, again) {
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("span", {}, reason ? `${words}${t("colon")}${reason}` : words),
    h("button", { type: "button", class: "plain", onclick: again }, t("retry")),
  );
}
