/** The web chat for real people: a device that the service knows by its cookie, at a door or anywhere. */

import { Desk, json } from "./chat/desk.js";
import { browserMemory, byId } from "./chat/dom.js";
import { toast } from "./chat/page.js";
import { canRecord } from "./chat/voice.js";
import { language, t } from "./chat/words.js";

const HERE_MS = 2 * 3_600_000;
const LOCATING_MS = 20_000;

let community = byId("community").textContent;
let place = remembered();
// What the address brought (a door, an invitation) is said once, and does not stand in the address that is saved.
const brought = new URLSearchParams(window.location.search).get("start") ?? "";

const desk = new Desk({
  socketAddress: () => `/chat/ws?language=${language()}`,
  chatsAddress: () => "/chat/chats",
  historyAddress: (me, key) => `/chat/history?chat=${encodeURIComponent(key)}`,
  now: () => new Date(),
  plan: () => null,
  askPlace,
  start: (payload) => ({ type: "start", payload }),
  follows: (address) => address.origin === window.location.origin && address.pathname === "/",
  title: () => [community, t("app.name")].filter(Boolean).join(" · "),
  remembers: true,
  listed(chats) {
    // Documents are for those who work here.
    const staff = chats.some((chat) => chat.key === "coordinators");
    for (const button of document.querySelectorAll("[data-act=file]")) button.hidden = !staff;
  },
  spoke: renderHead,
  switched() {
    const chat = desk.chat("private");
    // Whoever has said nothing yet is spoken to in the page's language from the first word on.
    if (chat && (brought || chat.items.length)) desk.send(chat, [{ type: "text", text: language() === "en" ? "English" : "中文" }]);
  },
});

function askPlace(chat) {
  toast(t("place.asking"));
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      const { latitude: lat, longitude: lon, accuracy } = coords;
      desk.send(chat, [{ type: "location", lat, lon, accuracy: Math.round(accuracy), forwarded: false }]);
    },
    () => toast(t("place.failed")),
    { enableHighAccuracy: true, timeout: LOCATING_MS, maximumAge: 30_000 },
  );
}

function remembered() {
  try {
    const { name, until } = JSON.parse(browserMemory.get("linshao.place") ?? "{}");
    return until > Date.now() ? name : "";
  } catch {
    return "";
  }
}

function renderHead() {
  byId("community").textContent = community || t("app.name");
  byId("place").textContent = place || t("app.name");
}

byId("tip").hidden = browserMemory.get("linshao.tip") === "read";
byId("tip-close").addEventListener("click", () => {
  byId("tip").hidden = true;
  browserMemory.set("linshao.tip", "read");
});
// Who comes back to an open page may have been let into a group, or out of one.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && desk.me) desk.list().catch(() => {});
});

async function start() {
  desk.begin();
  for (const button of document.querySelectorAll("[data-act=location]")) button.hidden = !navigator.geolocation || !window.isSecureContext;
  for (const button of document.querySelectorAll("[data-act=mic]")) button.hidden = !canRecord();
  for (const button of document.querySelectorAll("[data-act=file]")) button.hidden = true;
  const door = brought.startsWith("door-") ? brought.slice("door-".length) : "";
  let who;
  try {
    who = await json(`/chat/me?door=${encodeURIComponent(door)}`);
  } catch (error) {
    if (error.status === 401) byId("blocked").hidden = false;
    else window.setTimeout(start, 3000);
    return;
  }
  window.history.replaceState(null, "", "/");
  community = who.community || community;
  if (who.place) {
    place = who.place;
    browserMemory.set("linshao.place", JSON.stringify({ name: place, until: Date.now() + HERE_MS }));
  }
  renderHead();
  desk.enter(who.id);
  if (brought) bring();
}

/** Say once what the address brought; whoever it made known to the service may see more chats after it. */
function bring() {
  const id = desk.bring(brought);
  desk.connection.addEventListener("frame", ({ detail }) => {
    if (detail.type === "done" && detail.id === id) desk.list().catch(() => {});
  });
}

start();
