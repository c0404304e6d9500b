/** Times as the community reads them: always Asia/Shanghai, whatever the browser's own zone. */

import { language } from "./words.js";

const ZONE = "Asia/Shanghai";
const OFFSET_MS = 8 * 3_600_000;
const DAY_MS = 86_400_000;

function formatted(instant, options) {
  const locale = language() === "zh" ? "zh-CN" : "en-GB";
  return new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...options }).format(instant);
}

/** `08:30` */
export function clockTime(instant) {
  return formatted(instant, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** `11月23日 周一` / `Mon 23 Nov` */
export function shortDay(instant) {
  if (language() === "en") return formatted(instant, { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
  return `${formatted(instant, { month: "long", day: "numeric" })} ${formatted(instant, { weekday: "short" })}`;
}

/** `2026年11月23日 星期一` / `Monday 23 November 2026` */
export function longDay(instant) {
  const date = formatted(instant, { year: "numeric", month: "long", day: "numeric" });
  const weekday = formatted(instant, { weekday: "long" });
  return language() === "zh" ? `${date} ${weekday}` : `${weekday} ${date}`;
}

/** The day as `2026-11-23`, for telling days apart. */
export function dayKey(instant) {
  return new Date(instant.getTime() + OFFSET_MS).toISOString().slice(0, 10);
}

/** An instant as the service writes it: `2026-11-23T08:00:00+08:00`. */
export function iso(instant) {
  return `${new Date(instant.getTime() + OFFSET_MS).toISOString().slice(0, 19)}+08:00`;
}

/** For and from `<input type="datetime-local">`, whose values carry no zone. */
export function toField(instant) {
  return iso(instant).slice(0, 16);
}

export function fromField(value) {
  return new Date(`${value.slice(0, 16)}:00+08:00`);
}

/** The first `hh:mm` strictly after `instant`; with `weekdays` only Monday to Friday. */
export function nextAt(instant, hour, minute, weekdays = false) {
  const local = new Date(instant.getTime() + OFFSET_MS);
  let next = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate(), hour, minute);
  while (next <= local.getTime() || (weekdays && [0, 6].includes(new Date(next).getUTCDay()))) next += DAY_MS;
  return new Date(next - OFFSET_MS);
}
