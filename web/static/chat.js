/** The web chat of demo mode: wires the connection, the chats and the page together. */

import { DemoClock } from "./chat/clock.js";
import { Connection } from "./chat/connection.js";
import { browserMemory, byId, closable, tabMemory, translate } from "./chat/dom.js";
import { Pane, chatTabs, spoken } from "./chat/pane.js";
import { announce, renderHeader, renderLink, toast } from "./chat/page.js";
import { PeopleDialog, isVisitor, nameOf } from "./chat/people.js";
import { Lightbox } from "./chat/photos.js";
import { Plan, PlanDialog } from "./chat/plan.js";
import { Chat } from "./chat/store.js";
import { iso } from "./chat/time.js";
import { language, setLanguage, t } from "./chat/words.js";

const PHONE = window.matchMedia("(max-width: 699px)");
const others = new BroadcastChannel("linshao-demo");
const connection = new Connection();
const clock = new DemoClock();
const lightbox = new Lightbox();

let persona = null;
let people = [];
let plan = null;
let chats = [];
let group = null;
let view = "private";
let wasLost = false;
let placeFor = null;

const act = {
  press: pressButton,
  retry: retrySending,
  reply: (item) => paneOf(chatOf(item))?.composer.answer(item),
  enlarge: (urls, index) => lightbox.open(urls, index),
  deepLink: (address) => deepLink(new URL(address)),
  quoted: (id) => chats.map((chat) => chat.find(id)).find(Boolean),
  reveal: (item) => paneOf(chatOf(item))?.reveal(item),
  plan: () => plan,
};
const composer = { send: sendParts, askPlace, say: toast };
const panes = {
  private: new Pane(byId("pane-private"), { act, composer, onSeen: () => markSeen() }),
  group: new Pane(byId("pane-group"), { act, composer, onSeen: () => markSeen() }),
};
const planDialog = new PlanDialog((location) => {
  const { lat, lon, accuracy, forwarded } = location;
  sendParts(placeFor, [{ type: "location", lat, lon, accuracy, forwarded }]);
  paneOf(placeFor)?.composer.field.focus();
});
const peopleDialog = new PeopleDialog(enter);

function chatOf(item) {
  return chats.find((chat) => chat.items.includes(item));
}

function paneOf(chat) {
  return Object.values(panes).find((pane) => pane.chat === chat && chat);
}

function isOnScreen(chat) {
  const pane = paneOf(chat);
  return Boolean(pane) && !document.hidden && (!PHONE.matches || panes[view] === pane);
}

/* ---- who and where ------------------------------------------------------------------------------------------ */

async function enter(id) {
  persona = id;
  tabMemory.set("linshao.persona", id);
  const address = new URL(window.location.href);
  address.searchParams.set("persona", id);
  for (const gone of ["chat", "start"]) address.searchParams.delete(gone);
  window.history.replaceState(null, "", address);
  chats = [];
  group = null;
  view = "private";
  wasLost = false;
  panes.private.show(null);
  panes.group.show(null);
  renderHeader(persona, people);
  connection.open(id);
}

async function json(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** After each connecting: which chats there are, what was said, then what waits goes out. */
async function synchronise() {
  const me = persona;
  const query = encodeURIComponent(me);
  const listed = await json(`/demo/chats?persona=${query}`);
  if (me !== persona) return;
  const known = new Map(chats.map((chat) => [chat.key, chat]));
  chats = listed.map((description) => known.get(description.key) ?? new Chat(description, me));
  if (known.size === 0) arrange();
  await Promise.all(chats.map(loadHistory));
  if (me !== persona) return;
  for (const frame of connection.unfinished) if (!chats.some((chat) => chat.find(frame.id))) showLocal(frame);
  refreshAll();
  connection.ready();
  document.documentElement.dataset.link = "ready";
  for (const chat of chats) for (const item of chat.items) if (item.state === "waiting") item.state = "sending";
  refreshAll();
}

async function loadHistory(chat) {
  const arrived = chat.collect();
  try {
    const address = `/demo/history?persona=${encodeURIComponent(persona)}&chat=${encodeURIComponent(chat.key)}`;
    chat.takeHistory(await json(address), arrived);
  } catch {
    chat.failed = !chat.loaded;
  } finally {
    chat.collectors.delete(arrived);
  }
  paneOf(chat)?.refresh();
}

/** First look at a persona's chats: the private one, and the group that this tab showed last. */
function arrange() {
  const groups = chats.filter((chat) => chat.key !== "private");
  const last = tabMemory.get(`linshao.group.${persona}`);
  group = groups.find((chat) => chat.key === last) ?? groups.find((chat) => !chat.readOnly) ?? groups[0] ?? null;
  panes.private.show(chats.find((chat) => chat.key === "private") ?? null);
  panes.group.show(group);
  renderTabs();
}

function choose(key, focus = true) {
  const chat = chats.find((one) => one.key === key);
  if (!chat) return;
  view = key === "private" ? "private" : "group";
  if (view === "group" && chat !== group) {
    group = chat;
    tabMemory.set(`linshao.group.${persona}`, key);
    panes.group.show(chat);
  }
  byId("panes").dataset.view = view;
  markSeen();
  panes[view].toBottom();
  if (focus && !PHONE.matches && !chat.readOnly) panes[view].composer.field.focus();
}

function markSeen() {
  for (const chat of chats) if (isOnScreen(chat)) chat.unread = 0;
  renderTabs();
}

/**
 * What following a button's address means: a link to this very page for this persona (or for nobody in particular) opens
 * the private chat in place, and `start=…` is said there as a messaging platform would say it. null: an ordinary link.
 */
function deepLink(address) {
  if (address.origin !== window.location.origin || address.pathname !== "/") return null;
  const whose = address.searchParams.get("persona");
  if (whose && whose !== persona) return null;
  return () => {
    choose(address.searchParams.get("chat") ?? "private");
    const start = address.searchParams.get("start");
    const chat = chats.find((one) => one.key === "private");
    if (start && chat) sendParts(chat, [{ type: "text", text: `/start ${start}` }]);
  };
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

function newId() {
  // Outside a secure context (a plain address in the local network) browsers have no randomUUID.
  return crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sendParts(chat, parts) {
  for (const { preview, ...part } of parts) {
    const frame = { id: newId(), chat: chat.key, ...part };
    showLocal(frame, preview);
    connection.send(frame);
  }
  paneOf(chat)?.arrived(true);
}

/** A person's own words on the screen at once. */
function showLocal(frame, preview) {
  const chat = chats.find((one) => one.key === frame.chat);
  if (!chat || frame.type === "press") return;
  chat.addLocal({
    local: frame.id,
    chat: frame.chat,
    frame,
    at: iso(clock.now),
    text: frame.text ?? frame.caption ?? "",
    reply_to: frame.reply_to,
    album: frame.album,
    state: connection.state === "open" ? "sending" : "waiting",
    ...(frame.type === "photo" ? { photo: preview } : {}),
    ...(frame.type === "voice" ? { voice: preview } : {}),
    ...(frame.type === "sticker" ? { sticker: true } : {}),
    ...(frame.type === "location"
      ? { location: { lat: frame.lat, lon: frame.lon, accuracy: frame.accuracy, forwarded: frame.forwarded } }
      : {}),
  });
}

function pressButton(item, button) {
  const id = newId();
  item.press = { id, button };
  connection.send({ id, type: "press", chat: item.chat, message: item.message, button: button.action ?? button.label });
  paneOf(chatOf(item))?.refresh();
}

/** Words that never reached the service go again under their id; what failed there is said anew. */
function retrySending(item) {
  const id = item.acked ? newId() : item.local;
  Object.assign(item, { local: id, error: undefined, acked: false, state: connection.state === "open" ? "sending" : "waiting" });
  item.frame = { ...item.frame, id };
  connection.send(item.frame);
  paneOf(chatOf(item))?.refresh();
}

function askPlace(chat) {
  if (!plan) return toast(t("plan.failed"));
  placeFor = chat;
  planDialog.open(plan);
}

/* ---- in ------------------------------------------------------------------------------------------------------- */

const receive = {
  ack({ id, message, at }) {
    const item = locally(id);
    if (!item) return;
    Object.assign(item, { acked: true, state: "received" }, message ? { message } : {}, at ? { at } : {});
    showTyping();
    paneOf(chatOf(item))?.refresh();
  },
  done({ id }) {
    const item = locally(id);
    if (item) {
      item.state = "done";
      const chat = chatOf(item);
      // Its number in the history is needed to answer it later, and its picture's address to keep it.
      if (!item.message) loadHistory(chat);
      paneOf(chat)?.refresh();
    }
    const pressed = withPress(id);
    if (pressed) {
      delete pressed.press;
      paneOf(chatOf(pressed))?.refresh();
    }
    showTyping();
  },
  error({ id, text }) {
    const item = locally(id);
    const pressed = withPress(id);
    if (item) Object.assign(item, { state: "failed", error: text });
    else if (pressed) pressed.press = { ...pressed.press, error: text || t("state.pressfailed") };
    else toast(text);
    const chat = chatOf(item ?? pressed);
    paneOf(chat)?.refresh();
    showTyping();
  },
  toast({ text }) {
    toast(text);
  },
  message(frame) {
    const chat = chats.find((one) => one.key === frame.chat);
    if (!chat) return;
    const fresh = chat.receive(frame);
    clock.hint(frame.at);
    if (!fresh) return paneOf(chat)?.refresh();
    const visible = isOnScreen(chat);
    if (!visible) chat.unread += 1;
    paneOf(chat)?.arrived(false);
    announce(visible ? spoken(frame, chat.key === "private" ? "" : chat.title) : t("message.elsewhere", { chat: chat.title }));
    renderTabs();
  },
  edit(frame) {
    const chat = chats.find((one) => one.key === frame.chat);
    const item = chat?.edit(frame);
    if (!item) return;
    paneOf(chat)?.refresh();
    if (isOnScreen(chat)) announce(`${t("message.edited")}${t("colon")}${spoken(item, "")}`);
  },
};

function locally(id) {
  for (const chat of chats) for (const item of chat.items) if (item.local === id) return item;
  return null;
}

function withPress(id) {
  for (const chat of chats) for (const item of chat.items) if (item.press?.id === id) return item;
  return null;
}

/** The dots stand where something said is stored but not yet answered to the end. */
function showTyping() {
  for (const pane of Object.values(panes)) pane.typing = Boolean(pane.chat?.items.some((item) => item.state === "received"));
}

/* ---- the page around --------------------------------------------------------------------------------------------- */

function renderTabs() {
  const shown = new Set(PHONE.matches ? [view === "private" ? "private" : group?.key] : ["private", group?.key]);
  const focused = document.activeElement?.closest?.("#chats .tab")?.dataset.chat;
  byId("chats").replaceChildren(...chatTabs(chats, shown, choose));
  if (focused) byId("chats").querySelector(`[data-chat="${CSS.escape(focused)}"]`)?.focus();
  const unread = chats.reduce((sum, chat) => sum + chat.unread, 0);
  const who = persona ? `${nameOf(persona, people)} · ` : "";
  document.title = `${unread ? `(${unread}) ` : ""}${who}${t("app.title")}`;
}

function refreshAll() {
  for (const pane of Object.values(panes)) pane.refresh();
  showTyping();
  renderTabs();
}

function speak(next) {
  setLanguage(next);
  browserMemory.set("linshao.language", language());
  translate(document);
  for (const pane of Object.values(panes)) {
    pane.composer.retranslate();
    pane.refresh();
  }
  peopleDialog.render();
  renderHeader(persona, people);
  renderLink(connection.state);
  renderTabs();
  clock.render();
}

function setType(large) {
  document.documentElement.dataset.type = large ? "large" : "normal";
  byId("type").setAttribute("aria-pressed", String(large));
  browserMemory.set("linshao.type", large ? "large" : null);
}

/** Everything was put back: nothing that is on the screen exists any more. */
function startAgain() {
  connection.forget();
  clock.read();
  if (persona) enter(persona);
}

connection.addEventListener("frame", ({ detail }) => receive[detail.type]?.(detail));
connection.addEventListener("state", ({ detail }) => {
  renderLink(detail);
  document.documentElement.dataset.link = detail;
  if (detail === "lost") wasLost = true;
  if (detail !== "open") {
    for (const chat of chats) for (const item of chat.items) if (item.state === "sending") item.state = "waiting";
    refreshAll();
    return;
  }
  if (wasLost) toast(t("link.back"));
  wasLost = false;
  clock.read();
  synchronise().catch(() => connection.retry());
});
clock.addEventListener("moved", () => others.postMessage("moved"));
clock.addEventListener("reset", () => {
  others.postMessage("reset");
  startAgain();
  toast(t("reset.done"));
});
others.addEventListener("message", ({ data }) => (data === "reset" ? startAgain() : clock.read()));
document.addEventListener("visibilitychange", markSeen);
PHONE.addEventListener("change", markSeen);
byId("link-now").addEventListener("click", () => connection.hurry());
byId("persona-open").addEventListener("click", () => peopleDialog.open());
byId("language").addEventListener("click", () => speak(language() === "zh" ? "en" : "zh"));
byId("type").addEventListener("click", () => setType(byId("type").getAttribute("aria-pressed") !== "true"));
for (const dialog of document.querySelectorAll("dialog")) closable(dialog);

async function start() {
  setType(browserMemory.get("linshao.type") === "large");
  speak(browserMemory.get("linshao.language") ?? "zh");
  clock.read();
  const [planned, listed] = await Promise.allSettled([json("/demo/plan"), json("/demo/personas")]);
  if (planned.status === "fulfilled") plan = new Plan(planned.value);
  if (listed.status === "fulfilled") people = listed.value;
  else toast(t("people.failed"));
  peopleDialog.people = people.filter((person) => !isVisitor(person.id));
  const wanted = new URLSearchParams(window.location.search).get("persona") ?? tabMemory.get("linshao.persona");
  if (wanted && (isVisitor(wanted) ? wanted.length > 4 : people.some((person) => person.id === wanted))) return enter(wanted);
  peopleDialog.open({ required: true, note: wanted ? t("people.unknown", { id: wanted }) : "" });
}

start();
