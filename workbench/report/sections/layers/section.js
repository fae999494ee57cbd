{% include "table.js" %}
// The table of layers: joins two candidates of a target, sorts, filters, rolls up; its state lives in the URL hash.
(() => {
  const data = JSON.parse(document.getElementById("layer-data").textContent);
  const form = document.getElementById("controls");
  const table = document.getElementById("layer-table");
  const count = document.getElementById("count");
  const targets = Object.keys(data.profiles);
  if (!targets.length) {
    form.hidden = true;
    count.textContent = "No layers were profiled.";
    return;
  }
  const preferred = { b: form.dataset.b };
  const COLUMNS = [
    { key: "layer", text: "layer" },
    { key: "op", text: "operations" },
    { key: "scheme", text: "scheme" },
    { key: "a", num: true },
    { key: "b", num: true },
    { key: "ratio", text: "B ÷ A", num: true },
    { key: "macs", text: "MACs", num: true },
    { key: "params", text: "params", num: true },
    { key: "bytes", text: "weights, kB", num: true },
  ];
  const state = { t: targets[0], a: "", b: "", sort: "a", dir: "desc", q: "", all: "", by: "layer" };

  function read() {
    readHash(state);
    if (!data.profiles[state.t]) state.t = targets[0];
    const names = Object.keys(data.profiles[state.t]);
    if (!names.includes(state.a)) state.a = names[0];
    if (!names.includes(state.b)) state.b = names.includes(preferred.b) ? preferred.b : names[names.length - 1];
    if (!COLUMNS.some((c) => c.key === state.sort)) state.sort = "a";
    if (!["layer", "4", "2", "0"].includes(state.by)) state.by = "layer";
  }

  function write() {
    const kept = Object.entries(state).filter(([, v]) => v !== "");
    history.replaceState(null, "", "#" + new URLSearchParams(kept));
  }

  // Rows of one candidate keyed by component and (rolled-up) layer.
  function rowsOf(name) {
    const p = data.profiles[state.t][name];
    const rows = new Map();
    p.i.forEach((index, k) => {
      const [component, path] = data.names[index].split("\0");
      const layer = state.by === "layer" || path.startsWith("(") ? path : path.split(".").slice(0, +state.by).join(".");
      const key = component + "\0" + layer;
      const row = rows.get(key) || { component, layer, ms: null, macs: null, params: null, bytes: null, op: new Set(), scheme: new Set() };
      for (const c of ["ms", "macs", "params", "bytes"]) row[c] = add(row[c], p[c][k]);
      for (const c of ["op", "scheme"]) if (data.texts[p[c][k]]) row[c].add(data.texts[p[c][k]]);
      rows.set(key, row);
    });
    return rows;
  }

  const only = (set, many) => (set.size > 1 ? many : [...set][0] || "");
  const change = (x, y) => (x === undefined ? y : y === undefined || x === y ? x : x + " → " + y);

  function join() {
    const a = rowsOf(state.a), b = rowsOf(state.b);
    return [...new Set([...a.keys(), ...b.keys()])].map((key) => {
      const x = a.get(key), y = b.get(key), one = y || x;
      return {
        component: one.component, layer: one.layer,
        op: only(one.op, "several"), scheme: change(x && only(x.scheme, "mixed"), y && only(y.scheme, "mixed")),
        a: x ? x.ms : null, b: y ? y.ms : null, ratio: x && y && x.ms ? y.ms / x.ms : null,
        macs: one.macs, params: one.params, bytes: one.bytes, gone: !y, fresh: !x,
      };
    });
  }

  const sum = (rows, key) => rows.reduce((s, r) => s + (r[key] || 0), 0);

  // Rows that make up 95 % of the time of A or of B.
  function heavy(rows) {
    const kept = new Set();
    for (const side of ["a", "b"]) heaviest(rows, (r) => r[side], 0.95, kept);
    return kept;
  }

  const value = (r, key) => (key === "layer" ? r.component + "." + r.layer : r[key]);
  const compare = (x, y) => inOrder(value(x, state.sort), value(y, state.sort), state.dir);

  const ratio = (v) => (v == null ? "–" : v.toFixed(2));
  const whole = (v) => (v == null || v === 0 ? "–" : Math.round(v).toLocaleString("en"));

  function name(row, r) {
    const th = cell(row, "th", "", "name");
    th.scope = "row";
    const head = th.appendChild(document.createElement("span"));
    head.textContent = r.component + (r.layer ? " " : "");
    dotted(th, r.layer);
  }

  function body(shown, most) {
    const rows = document.createDocumentFragment();
    for (const r of shown) {
      const row = rows.appendChild(document.createElement("tr"));
      name(row, r);
      cell(row, "td", r.op, "op");
      cell(row, "td", r.scheme);
      for (const side of ["a", "b"]) {
        const gone = side === "a" ? r.fresh : r.gone;
        const c = cell(row, "td", gone ? "not there" : ms(r[side]), "num bar " + side);
        if (gone) c.classList.add("muted");
        c.style.setProperty("--p", ((100 * (r[side] || 0)) / most).toFixed(1) + "%");
      }
      cell(row, "td", ratio(r.ratio), "num" + (r.ratio > 1.05 ? " worse" : ""));
      cell(row, "td", big(r.macs), "num");
      cell(row, "td", big(r.params), "num");
      cell(row, "td", r.bytes == null ? "–" : whole(r.bytes / 1e3), "num");
    }
    table.tBodies[0].replaceChildren(rows);
  }

  function foot(shown, every) {
    table.tFoot.replaceChildren();
    for (const [text, rows] of shown.length < every.length ? [["shown", shown], ["all", every]] : [["all", every]]) {
      const row = table.tFoot.appendChild(document.createElement("tr"));
      cell(row, "th", text).scope = "row";
      cell(row, "td", "");
      cell(row, "td", "");
      const a = sum(rows, "a"), b = sum(rows, "b");
      for (const value of [ms(a), ms(b), ratio(a ? b / a : null), big(sum(rows, "macs")), big(sum(rows, "params")), whole(sum(rows, "bytes") / 1e3)]) cell(row, "td", value, "num");
    }
  }

  function draw() {
    read();
    const there = Object.keys(data.profiles[state.t]);
    for (const [key, names] of [["t", targets], ["a", there], ["b", there]]) options(form[key], names.map((n) => [n, n]), state[key]);
    form.by.value = state.by;
    if (form.q.value !== state.q) form.q.value = state.q;
    form.all.checked = state.all === "1";
    const every = join();
    const typed = words(state.q);
    const wanted = every.filter((r) => holds([r.component, r.layer, r.op, r.scheme], typed));
    const kept = heavy(every);
    const cut = state.all !== "1" && !typed.length;
    const shown = (cut ? wanted.filter((r) => kept.has(r)) : wanted).sort(compare);
    heads(table, COLUMNS, state, (column) => column.text || state[column.key] + ", ms");
    body(shown, Math.max(1e-9, ...every.map((r) => Math.max(r.a || 0, r.b || 0))));
    foot(shown, every);
    count.textContent = `${shown.length} of ${every.length} rows` + (cut ? ", those that make up 95 % of the time of A or of B" : "");
  }

  listen(form, table, state, ["layer", "op", "scheme"], () => { draw(); write(); }, draw);
  draw();
})();
