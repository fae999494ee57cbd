"use strict";
// What the pages' tables of layers share: values as text, cells, heads that sort, and a state that lives in the URL hash.
const add = (x, y) => (x == null ? y : y == null ? x : x + y);
const ms = (v) => (v == null ? "–" : v.toFixed(v >= 100 ? 1 : 3));
function big(v) {
  if (v == null || v === 0) return "–";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) if (v >= size) return (v / size).toFixed(v >= 100 * size ? 0 : v >= 10 * size ? 1 : 2) + " " + unit;
  return String(v);
}

function cell(row, tag, text, type) {
  const c = row.appendChild(document.createElement(tag));
  if (type) c.className = type;
  c.append(text);
  return c;
}

function dotted(parent, text) {
  text.split(".").forEach((part, i) => {
    if (i) parent.append(".", document.createElement("wbr")); // long paths break at dots
    parent.append(part);
  });
}

function options(select, list, chosen) {
  select.replaceChildren(...list.map(([v, text]) => new Option(text, v, v === chosen, v === chosen)));
}

function readHash(state) {
  const hash = location.hash.slice(1);
  if (hash.includes("=")) for (const [k, v] of new URLSearchParams(hash)) if (k in state) state[k] = v;
}

// Whether a text holds every word that was typed as a filter.
const words = (typed) => typed.toLowerCase().split(/\s+/).filter(Boolean);
const holds = (texts, wanted) => wanted.every((w) => texts.join(" ").toLowerCase().includes(w));

// Rows that make up a share of the time: `time` gives a row's, on one side or profile.
function heaviest(rows, time, share, kept) {
  const whole = rows.reduce((s, r) => s + (time(r) || 0), 0);
  let run = 0;
  for (const row of [...rows].sort((x, y) => (time(y) || 0) - (time(x) || 0))) {
    if (run >= share * whole || !time(row)) break;
    run += time(row);
    kept.add(row);
  }
}

// Numbers or texts in one direction; unmeasured last, either way.
function inOrder(u, v, dir) {
  const flip = dir === "asc" ? 1 : -1;
  if (typeof u === "string" || typeof v === "string") return flip * String(u || "").localeCompare(String(v || ""), "en", { numeric: true });
  return u == null || v == null ? (u == null) - (v == null) : flip * (u - v);
}

// A head whose buttons sort: columns of key, num and tip; `textOf` gives a column's name.
function heads(table, columns, state, textOf) {
  const row = document.createElement("tr");
  for (const column of columns) {
    const th = cell(row, "th", "", column.num ? "num" : "");
    th.scope = "col";
    if (column.tip) th.title = column.tip;
    if (state.sort === column.key) th.setAttribute("aria-sort", state.dir === "asc" ? "ascending" : "descending");
    const button = th.appendChild(document.createElement("button"));
    button.type = "button";
    button.dataset.key = column.key;
    button.textContent = textOf(column);
  }
  const focused = document.activeElement && document.activeElement.dataset.key;
  table.tHead.replaceChildren(row);
  if (focused) table.tHead.querySelector(`[data-key="${focused}"]`)?.focus();
}

// Calls `changed` when something was chosen, typed or sorted by, and `draw` when the address changed.
function listen(form, table, state, upwards, changed, draw) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    for (const field of form.querySelectorAll("select, input[type=search]")) if (field.options?.length !== 0) state[field.name] = field.value;
    state.all = form.all.checked ? "1" : "";
    changed();
  });
  table.tHead.addEventListener("click", (event) => {
    const key = event.target.dataset && event.target.dataset.key;
    if (!key) return;
    state.dir = state.sort === key ? (state.dir === "asc" ? "desc" : "asc") : upwards.includes(key) ? "asc" : "desc";
    state.sort = key;
    changed();
  });
  window.addEventListener("hashchange", draw);
}
