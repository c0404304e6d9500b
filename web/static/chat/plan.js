/** The community's plan, drawn from `GET /demo/plan`: a small picture in a message, and the dialog that sends a place. */

import { byId, h, icon, s } from "./dom.js";
import { t } from "./words.js";

const METRES_PER_DEGREE = 111_320;
const MARGIN = 45;
const STEP = 5;
const LARGE_STEP = 25;
const ZOOMS = [1, 1.7, 3];
const HERE = 12;

/** The plan's own coordinates: metres, x to the east and y to the south, from its north-west corner. */
export class Plan {
  constructor({ grids, places, community }) {
    this.community = community;
    const corners = grids.flatMap((grid) => grid.polygon);
    const latitudes = corners.map(([lat]) => lat);
    const longitudes = corners.map(([, lon]) => lon);
    this.north = Math.max(...latitudes);
    this.west = Math.min(...longitudes);
    this.perLongitude = METRES_PER_DEGREE * Math.cos((this.north * Math.PI) / 180);
    const [width, height] = this.toXY(Math.min(...latitudes), Math.max(...longitudes));
    this.width = width;
    this.height = height;
    this.grids = grids.map((grid) => ({ ...grid, points: grid.polygon.map(([lat, lon]) => this.toXY(lat, lon)) }));
    this.places = places.map((place) => ({ ...place, at: this.toXY(place.lat, place.lon) }));
  }

  toXY(lat, lon) {
    return [(lon - this.west) * this.perLongitude, (this.north - lat) * METRES_PER_DEGREE];
  }

  toLatLon(x, y) {
    const rounded = (number) => Math.round(number * 1e6) / 1e6;
    return [rounded(this.north - y / METRES_PER_DEGREE), rounded(this.west + x / this.perLongitude)];
  }

  /** The grid of a point; on a shared edge the lowest code, as everywhere in the service. */
  gridAt([x, y]) {
    return this.grids.find((grid) => inside(grid.points, x, y)) ?? null;
  }

  /** Where a point is, in words: the nearest place within reach, or its grid, or outside. */
  describe(point) {
    let nearest = null;
    let distance = Infinity;
    for (const place of this.places) {
      const away = Math.hypot(place.at[0] - point[0], place.at[1] - point[1]);
      if (away < distance) [nearest, distance] = [place, away];
    }
    const grid = this.gridAt(point);
    if (!grid) return t("plan.outside");
    if (!nearest || distance > 120) return grid.name;
    if (distance <= HERE) return t("plan.at", { place: nearest.name });
    return t("plan.near", { place: nearest.name, n: Math.round(distance / 5) * 5 });
  }

  /** A quiet little plan with a pin, for a message. */
  picture(lat, lon, accuracy) {
    const [x, y] = this.toXY(lat, lon);
    const [width, height] = [300, 170];
    return s(
      "svg",
      { class: "plan plan-small", viewBox: `${x - width / 2} ${y - height / 2 - 12} ${width} ${height}`, "aria-hidden": "true" },
      this.ground(),
      s("circle", { class: "accuracy", cx: x, cy: y, r: accuracy || 15 }),
      pin(x, y, 1.15),
    );
  }

  ground() {
    const shapes = this.grids.map((grid, index) =>
      s("polygon", { class: `grid-shape tint-${index % 6}`, points: grid.points.map((point) => point.join(",")).join(" ") }),
    );
    const houses = this.places
      .filter((place) => place.kind === "building")
      .map(({ at: [x, y] }) => s("rect", { class: "house", x: x - 11, y: y - 8, width: 22, height: 16, rx: 3 }));
    return s("g", {}, shapes, houses);
  }
}

function inside(points, x, y) {
  let odd = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i];
    const [xj, yj] = points[j];
    const [dx, dy] = [xj - xi, yj - yi];
    const along = ((x - xi) * dx + (y - yi) * dy) / (dx * dx + dy * dy);
    const away = Math.hypot(x - xi - along * dx, y - yi - along * dy);
    if (along >= 0 && along <= 1 && away < 0.01) return true;
    if (yi > y !== yj > y && x < (dx * (y - yi)) / dy + xi) odd = !odd;
  }
  return odd;
}

function pin(x, y, size) {
  return s(
    "g",
    { class: "pin", transform: `translate(${x} ${y}) scale(${size})` },
    s("ellipse", { class: "pin-shadow", cx: 0, cy: 0, rx: 6, ry: 2.5 }),
    s("path", { d: "M0 0C-3-7-11-12-11-21a11 11 0 0 1 22 0C11-12 3-7 0 0z" }),
    s("circle", { class: "pin-eye", cx: 0, cy: -21, r: 4.2 }),
  );
}

/** `青禾苑12幢` is `12` on the plan: the estate's name stands in the grid's own label. */
function shortName(name) {
  return name.match(/(\d+|[A-Z])\s*(?:幢|座|号|栋)$/u)?.[1] ?? name;
}

/** `青禾苑小广场` in 青禾苑一区 is 小广场: at least three characters that both begin with are the estate's name. */
function withoutEstate(name, estate) {
  let same = 0;
  while (same < name.length && name[same] === estate[same]) same += 1;
  return same >= 3 && same < name.length ? name.slice(same) : name;
}

/** The dialog; `onSend({lat, lon, accuracy, forwarded})`. */
export class PlanDialog {
  #dialog = byId("plan");
  #svg = byId("plan-map");
  #jump = byId("plan-jump");
  #plan = null;
  #at = [0, 0];
  #zoom = 0;
  #view = [0, 0, 1, 1];
  #drag = null;
  #onSend;

  constructor(onSend) {
    this.#onSend = onSend;
    this.#svg.addEventListener("keydown", (event) => this.#key(event));
    this.#svg.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#svg.addEventListener("pointermove", (event) => this.#move(event));
    this.#svg.addEventListener("pointerup", (event) => this.#drop(event));
    this.#svg.addEventListener("pointercancel", () => (this.#drag = null));
    byId("plan-zoomin").addEventListener("click", () => this.#zoomBy(1));
    byId("plan-zoomout").addEventListener("click", () => this.#zoomBy(-1));
    this.#jump.addEventListener("change", () => {
      const place = this.#plan.places[Number(this.#jump.value)];
      if (this.#jump.value !== "" && place) this.#place(place.at, true);
    });
    byId("plan-form").addEventListener("change", () => this.#draw());
    byId("plan-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const [lat, lon] = this.#plan.toLatLon(...this.#at);
      this.#dialog.close();
      this.#onSend({ lat, lon, accuracy: this.#accuracy, forwarded: byId("plan-forwarded").checked });
    });
    new ResizeObserver(() => this.#dialog.open && this.#draw()).observe(this.#svg);
  }

  /** Show the plan; the pin stands where it was left, at first in the middle. */
  open(plan) {
    if (this.#plan !== plan) {
      this.#plan = plan;
      this.#at = [plan.width / 2, plan.height / 2];
      this.#zoom = 0;
    }
    this.#view = [-MARGIN, -MARGIN, plan.width + 2 * MARGIN, plan.height + 2 * MARGIN];
    this.#fillJump();
    byId("plan-forwarded").checked = false;
    this.#dialog.showModal();
    this.#svg.focus();
    this.#draw();
  }

  get #accuracy() {
    return Number(new FormData(byId("plan-form")).get("accuracy"));
  }

  #fillJump() {
    const groups = this.#plan.grids.map((grid) => {
      const options = this.#plan.places
        .map((place, index) => ({ place, index }))
        .filter(({ place }) => place.grid === grid.code)
        .sort((one, other) => Number(one.place.kind === "building") - Number(other.place.kind === "building"))
        .map(({ place, index }) => h("option", { value: index }, place.name));
      const group = h("optgroup", {}, options);
      group.label = grid.name;
      return group;
    });
    this.#jump.replaceChildren(h("option", { value: "", word: "plan.jump.none" }), ...groups);
  }

  #draw() {
    const plan = this.#plan;
    const view = this.#view;
    this.#svg.setAttribute("viewBox", view.join(" "));
    // Signs and letters keep their size on the screen whatever the zoom: `unit` is one pixel in metres.
    const box = this.#svg.getBoundingClientRect();
    const unit = Math.max(view[2] / (box.width || 1), view[3] / (box.height || 1));
    const [x, y] = this.#at;
    this.#svg.replaceChildren(
      plan.ground(),
      s("g", { class: "plan-labels", "aria-hidden": "true" }, this.#labels(unit)),
      s("circle", { class: "accuracy", cx: x, cy: y, r: this.#accuracy }),
      pin(x, y, unit * 1.3),
    );
    const [lat, lon] = plan.toLatLon(x, y);
    byId("plan-where").textContent = plan.describe(this.#at);
    byId("plan-numbers").textContent = `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
    byId("plan-zoomin").disabled = this.#zoom === ZOOMS.length - 1;
    byId("plan-zoomout").disabled = this.#zoom === 0;
  }

  /** Labels in order of weight; one that finds no free spot is left out (its place is still in the list). */
  #labels(unit) {
    const size = 12 * unit;
    const [left, , width] = this.#view;
    const taken = [];
    const drawn = [];
    const put = (text, kind, [x, y], spots) => {
      const half = ([...text].reduce((sum, character) => sum + (character > "\u2e80" ? 1 : 0.6), 0) * size) / 2;
      for (const [dx, dy] of spots) {
        const inner = Math.min(left + width - half - 2 * unit, Math.max(left + half + 2 * unit, x + dx));
        const box = [inner - half, y + dy - size, inner + half, y + dy + size * 0.25];
        const free = (other) => box[0] >= other[2] || other[0] >= box[2] || box[1] >= other[3] || other[1] >= box[3];
        if (!taken.every(free)) continue;
        taken.push(box);
        drawn.push(s("text", { class: `plan-${kind}`, x: inner, y: y + dy, "font-size": size }, text));
        return;
      }
    };
    const places = this.#plan.places.filter((place) => place.kind !== "building");
    for (const { at } of places) {
      taken.push([at[0] - 3 * unit, at[1] - 3 * unit, at[0] + 3 * unit, at[1] + 3 * unit]);
      drawn.push(s("circle", { class: "place-dot", cx: at[0], cy: at[1], r: 3 * unit }));
    }
    for (const grid of this.#plan.grids) {
      const [xs, ys] = [grid.points.map(([x]) => x), grid.points.map(([, y]) => y)];
      const middle = [(Math.min(...xs) + Math.max(...xs)) / 2, Math.min(...ys)];
      const low = Math.max(...ys) - middle[1] - size * 0.5;
      put(grid.name.replace(/网格$/u, ""), "gridname", middle, [[0, size * 1.25], [0, low]]);
    }
    for (const place of places) {
      const estate = this.#plan.grids.find((grid) => grid.code === place.grid)?.name ?? "";
      const text = withoutEstate(place.name, estate);
      const aside = size * (0.7 + text.length / 2);
      put(text, "placename", place.at, [[0, -size * 0.6], [0, size * 1.4], [aside, size * 0.35], [-aside, size * 0.35]]);
    }
    for (const place of this.#plan.places)
      if (place.kind === "building") put(shortName(place.name), "housename", place.at, [[0, size * 0.36]]);
    return drawn;
  }

  #place([x, y], follow = false) {
    const plan = this.#plan;
    this.#at = [
      Math.min(plan.width + MARGIN, Math.max(-MARGIN, x)),
      Math.min(plan.height + MARGIN, Math.max(-MARGIN, y)),
    ];
    const [left, top, width, height] = this.#view;
    const edge = 0.12;
    const visible =
      this.#at[0] > left + width * edge &&
      this.#at[0] < left + width * (1 - edge) &&
      this.#at[1] > top + height * edge * 2 &&
      this.#at[1] < top + height * (1 - edge);
    if (this.#zoom > 0 && (follow || !visible)) this.#centre(this.#at);
    this.#draw();
  }

  #centre([x, y]) {
    const plan = this.#plan;
    const width = (plan.width + 2 * MARGIN) / ZOOMS[this.#zoom];
    const height = (plan.height + 2 * MARGIN) / ZOOMS[this.#zoom];
    const clamp = (value, size, whole) => Math.min(whole + MARGIN - size, Math.max(-MARGIN, value));
    this.#view = [clamp(x - width / 2, width, plan.width), clamp(y - height / 2, height, plan.height), width, height];
  }

  #zoomBy(change) {
    this.#zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.#zoom + change));
    this.#centre(this.#at);
    this.#draw();
  }

  #key(event) {
    const step = event.shiftKey ? LARGE_STEP : STEP;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (event.key === "+" || event.key === "=") this.#zoomBy(1);
    else if (event.key === "-") this.#zoomBy(-1);
    else if (event.key === "Enter") byId("plan-form").requestSubmit();
    else if (!move) return;
    event.preventDefault();
    if (!move) return;
    this.#jump.value = "";
    this.#place([this.#at[0] + move[0], this.#at[1] + move[1]]);
  }

  #pointOf(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.#svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  #grab(event) {
    const onPin = event.target.closest(".pin") !== null;
    this.#drag = { onPin, x: event.clientX, y: event.clientY, view: [...this.#view], moved: false };
    this.#svg.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    drag.moved = drag.moved || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 6;
    if (!drag.moved) return;
    if (drag.onPin) this.#place(this.#pointOf(event));
    else if (this.#zoom > 0) {
      const unit = this.#view[2] / this.#svg.getBoundingClientRect().width;
      this.#centre([
        drag.view[0] + drag.view[2] / 2 - (event.clientX - drag.x) * unit,
        drag.view[1] + drag.view[3] / 2 - (event.clientY - drag.y) * unit,
      ]);
      this.#draw();
    }
  }

  #drop(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || (drag.moved && !drag.onPin && this.#zoom > 0)) return;
    this.#jump.value = "";
    this.#place(this.#pointOf(event));
  }
}

/** A place in a message: the little plan, the nearest place in words, how exact it is. */
export function locationCard(location, plan) {
  const point = plan?.toXY(location.lat, location.lon);
  const about = [t("message.location.about", { n: location.accuracy || 15 })];
  if (location.forwarded) about.unshift(t("message.location.forwarded"));
  return h(
    "div",
    { class: "location-card" },
    plan ? plan.picture(location.lat, location.lon, location.accuracy) : icon("pin"),
    h("div", { class: "location-words" }, h("strong", {}, plan ? plan.describe(point) : t("message.location")), h("span", { class: "quiet" }, about.join(" · "))),
  );
}
