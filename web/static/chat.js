/** The web chat of demo mode: whoever is chosen, the demo's clock and the community's plan. */

import { DemoClock } from "./chat/clock.js";
import { Desk, json } from "./chat/desk.js";
import { byId, tabMemory } from "./chat/dom.js";
import { renderHeader, toast } from "./chat/page.js";
import { PeopleDialog, isVisitor, nameOf } from "./chat/people.js";
import { Plan, PlanDialog } from "./chat/plan.js";
import { t } from "./chat/words.js";

const others = new BroadcastChannel("linshao-demo");
const clock = new DemoClock();

let people = [];
let plan = null;
let placeFor = null;

const desk = new Desk({
  socketAddress: (me) => `/demo/ws?persona=${encodeURIComponent(me)}`,
  chatsAddress: (me) => `/demo/chats?persona=${encodeURIComponent(me)}`,
  historyAddress: (me, key) => `/demo/history?persona=${encodeURIComponent(me)}&chat=${encodeURIComponent(key)}`,
  now: () => clock.now,
  plan: () => plan,
  askPlace(chat) {
    if (!plan) return toast(t("plan.failed"));
    placeFor = chat;
    planDialog.open(plan);
  },
  start: (payload) => ({ type: "text", text: `/start ${payload}` }),
  follows(address, me) {
    const whose = address.searchParams.get("persona");
    return address.origin === window.location.origin && address.pathname === "/" && (!whose || whose === me);
  },
  title: (me) => `${me ? `${nameOf(me, people)} · ` : ""}${t("app.title")}`,
  opened: () => clock.read(),
  arrived: (frame) => clock.hint(frame.at),
  spoke() {
    peopleDialog.render();
    renderHeader(desk.me, people);
    clock.render();
  },
});
const planDialog = new PlanDialog((location) => {
  const { lat, lon, accuracy, forwarded } = location;
  desk.send(placeFor, [{ type: "location", lat, lon, accuracy, forwarded }]);
  desk.paneOf(placeFor)?.composer.field.focus();
});
const peopleDialog = new PeopleDialog(enter);

function enter(id) {
  tabMemory.set("linshao.persona", id);
  const address = new URL(window.location.href);
  address.searchParams.set("persona", id);
  for (const gone of ["chat", "start"]) address.searchParams.delete(gone);
  window.history.replaceState(null, "", address);
  renderHeader(id, people);
  desk.enter(id);
}

/** Everything was put back: nothing that is on the screen exists any more. */
function startAgain() {
  desk.connection.forget();
  clock.read();
  if (desk.me) enter(desk.me);
}

clock.addEventListener("moved", () => others.postMessage("moved"));
clock.addEventListener("reset", () => {
  others.postMessage("reset");
  startAgain();
  toast(t("reset.done"));
});
others.addEventListener("message", ({ data }) => (data === "reset" ? startAgain() : clock.read()));
byId("persona-open").addEventListener("click", () => peopleDialog.open());

async function start() {
  desk.begin();
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
