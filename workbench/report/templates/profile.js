// The table of layers of one or several profiles: joined by layer, sorted, filtered, rolled up; state in the URL hash.
(() => {
  const machine = document.getElementById("machine");
  document.getElementById("open-machine").addEventListener("click", () => machine.showModal());
  const data = JSON.parse(document.getElementById("layer-data").textContent);
  const form = document.getElementById("controls");
  const table = document.getElementById("layer-table");
  const count = document.getElementById("count");
  const P = data.labels.length;
  const LEAST = 0.95; // of the time: what is shown at first
  const SUMS = ["macs", "amacs", "ops", "params", "wb", "ab"];
  const MOST = ["pk", "rb"]; // bytes at a moment: a module needs the most of its layers', not their sum
  const sent = (key) => data.tables.some((t) => key in t);

  const most = (x, y) => (x == null ? y : y == null ? x : Math.max(x, y));
  const change = (x, y) => (!x ? y : !y || x === y || x.endsWith(" → " + y) ? x : x + " → " + y);

  // Layer × profile. Numbers of the network are kept by profile: one layer may differ in size between candidates.
  const joined = new Map(), places = {};
  data.tables.forEach((t, p) => {
    t.i.forEach((name, k) => {
      const [component, ...path] = data.names[name];
      const get = (key) => (key in t ? t[key][k] : null);
      const text = (key) => (key in t ? data.texts[t[key][k]] : "");
      let row = joined.get(name);
      if (!row) {
        row = { component, path, layer: path.join("."), order: places[component] ?? 0, ms: Array(P).fill(null), iqr: Array(P).fill(null), own: Array(P).fill(null), op: "", scheme: "", into: "" };
        joined.set(name, row);
        places[component] = row.order + 1;
      }
      row.ms[p] = add(row.ms[p], get("ms"));
      row.iqr[p] = get("iqr");
      row.own[p] = Object.fromEntries([...SUMS, ...MOST, "reached"].map((key) => [key, get(key)]));
      row.own[p].both = add(row.own[p].macs, row.own[p].amacs);
      row.own[p].bound = text("bound");
      for (const key of ["op", "scheme", "into"]) row[key] = change(row[key], text(key));
    });
  });
  const rows = [...joined.values()];

  const COLUMNS = [
    { key: "order", text: "#", num: true, tip: "place in the order of execution", only: ["layers", "tree"] },
    { key: "layer", text: "layer" },
    { key: "op", text: "operator", only: ["layers", "tree"] },
    { key: "scheme", text: "scheme", only: ["layers", "tree"] },
    ...data.labels.map((label, p) => ({ key: "ms" + p, text: P > 1 ? label + ", ms" : "ms", num: true })),
    ...(P > 1 ? [{ key: "ratio", num: true }] : [{ key: "iqr", text: "IQR, ms", num: true, only: ["layers"] }, { key: "share", text: "share", num: true }]),
    { key: "bound", text: "bound by", only: ["layers"], has: "bound", est: true },
    { key: "reached", text: "of that bound (est.)", num: true, only: ["layers"], has: "reached", est: true },
    { key: "macs", text: "MACs", num: true },
    { key: "both", text: "with attention", num: true, has: "amacs" },
    { key: "params", text: "params", num: true },
    { key: "wb", text: "weights, kB", num: true },
    { key: "ab", text: "written, kB", num: true },
    { key: "pk", text: "alive, kB (est.)", num: true, has: "pk", est: true },
    { key: "rb", text: "runtime holds, kB", num: true, has: "rb" },
  ].filter((c) => !c.has || sent(c.has));

  const found = [...new Set(rows.map((r) => r.component))];
  const state = { c: data.main, v: "layers", r: "1", n: "0", sort: "ms0", dir: "desc", q: "", all: "" };
  const open = new Map(); // modules that were opened or closed by hand

  function read() {
    readHash(state);
    if (state.c !== "" && !found.includes(state.c)) state.c = data.main;
    if (!["layers", "tree", "op", "scheme", "component"].includes(state.v)) state.v = "layers";
    if (!COLUMNS.some((c) => c.key === state.sort)) state.sort = "ms0";
    if (!(+state.r > 0 && +state.r < P)) state.r = "1";
    if (!(+state.n >= 0 && +state.n < P)) state.n = "0";
  }

  function write() {
    history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(state)));
  }

  const total = (list, p) => list.reduce((s, r) => s + (r.ms[p] || 0), 0);

  const NOTHING = Object.fromEntries([...SUMS, ...MOST, "both", "reached", "bound"].map((key) => [key, null]));

  function group(label, list) {
    const g = { label, layer: label, ms: Array(P).fill(null), iqr: Array(P).fill(null), layers: list.length, op: "", component: list[0].component };
    for (const r of list) {
      for (let p = 0; p < P; p++) g.ms[p] = add(g.ms[p] ?? null, r.ms[p]);
      for (const key of [...SUMS, "both"]) g[key] = add(g[key] ?? null, r[key]);
      for (const key of MOST) g[key] = most(g[key] ?? null, r[key]);
    }
    g.order = Math.min(...list.map((r) => r.order));
    const schemes = new Set(list.map((r) => r.scheme).filter(Boolean));
    g.scheme = schemes.size > 1 ? "mixed" : [...schemes][0] || "";
    return g;
  }

  // Values that depend on what is chosen.
  function finish(list, whole) {
    for (const r of list) {
      if (r.own) Object.assign(r, r.own[+state.n] || NOTHING);
      r.share = whole[0] ? (r.ms[0] || 0) / whole[0] : null;
      const x = r.ms[0], y = r.ms[+state.r];
      r.ratio = P > 1 && x && y != null ? y / x : null;
    }
  }

  function value(r, key) {
    return key.startsWith("ms") ? r.ms[+key.slice(2)] : key === "iqr" ? r.iqr[0] : r[key];
  }

  const compare = (x, y) => inOrder(value(x, state.sort), value(y, state.sort), state.dir) || x.order - y.order;

  const layerless = (r) => data.always.includes(r.path ? r.path[0] : r.label);

  // Those that make up 95 % of the layers' time in any profile; what belongs to no layer is never hidden.
  function heavy(list) {
    const kept = new Set(list.filter(layerless)), layers = list.filter((r) => !layerless(r));
    for (let p = 0; p < P; p++) heaviest(layers, (r) => r.ms[p], LEAST, kept);
    return kept;
  }

  function treeOf(list) {
    const root = { key: "", children: new Map(), list: [], own: null };
    for (const r of list) {
      let node = root;
      for (const part of [...(state.c === "" ? [r.component] : []), ...r.path]) {
        if (!node.children.has(part)) node.children.set(part, { key: node.key + "\0" + part, label: part, children: new Map(), list: [], own: null });
        node = node.children.get(part);
        node.list.push(r);
      }
      node.own = r;
    }
    return root;
  }

  // Rows of the tree as it is opened now; siblings beyond 95 % of their module's time are one row.
  function flatten(node, depth, typed, out) {
    const nodes = [...node.children.values()];
    const items = nodes.map((n) => ({ ...(n.children.size ? group(n.label, n.list) : n.own), path: null, label: n.label, node: n, depth }));
    if (node.own && nodes.length) items.push({ ...node.own, path: null, label: "(itself)", depth });
    const kept = state.all === "1" || typed.length ? null : heavy([...items]);
    const light = kept ? items.filter((i) => !kept.has(i)) : [];
    const rest = light.length > 1 ? light : []; // one row instead of one row would save nothing
    for (const item of items.filter((i) => !rest.includes(i)).sort(compare)) {
      const n = item.node;
      const isOpen = typed.length ? true : open.get(n?.key) ?? (depth < (state.c === "" ? 2 : 1));
      out.push({ ...item, branch: !!(n && n.children.size), isOpen });
      if (n && n.children.size && isOpen) flatten(n, depth + 1, typed, out);
    }
    if (rest.length) out.push({ ...group(rest.length + " smaller", rest), depth, rest: true });
  }

  const kilo = (v) => (v == null || v === 0 ? "–" : v >= 1e5 ? Math.round(v / 1e3).toLocaleString("en") : (v / 1e3).toFixed(1));
  const percent = (v) => (v == null ? "–" : (100 * v).toFixed(1) + " %");
  const SHOWN = { order: (v) => String(v + 1), share: percent, reached: (v) => (v == null ? "–" : Math.round(100 * v) + " %"), ratio: (v) => (v == null ? "–" : v.toFixed(2)), iqr: ms, macs: big, both: big, params: big, wb: kilo, ab: kilo, pk: kilo, rb: kilo };

  function name(row, r) {
    const th = cell(row, "th", "", "name");
    th.scope = "row";
    if (r.depth !== undefined) {
      th.classList.add("tree");
      th.style.setProperty("--d", r.depth);
      if (r.branch) {
        const button = th.appendChild(document.createElement("button"));
        button.type = "button";
        button.dataset.node = r.node.key;
        button.setAttribute("aria-expanded", r.isOpen);
        button.setAttribute("aria-label", r.label);
      } else th.appendChild(document.createElement("i"));
      th.append(r.label);
    } else {
      if (state.c === "" && r.label === undefined) th.appendChild(document.createElement("span")).textContent = r.component + " ";
      dotted(th, r.label ?? r.layer);
    }
    if (r.layers > 1) th.appendChild(document.createElement("span")).textContent = ` (${r.layers} layers)`;
  }

  const columns = () => COLUMNS.filter((c) => !c.only || c.only.includes(state.v));

  function cells(row, r, top) {
    for (const column of columns()) {
      const key = column.key;
      if (key === "layer") name(row, r);
      else if (key.startsWith("ms")) {
        const p = +key.slice(2), v = r.ms[p];
        const c = cell(row, "td", v == null ? "not there" : ms(v), top ? `num bar s${p % 7}` : "num");
        if (v == null) c.classList.add("muted");
        if (r.iqr[p] != null) c.title = `IQR ${ms(r.iqr[p])} ms`;
        if (top) c.style.setProperty("--p", Math.min(100, (100 * (v || 0)) / top).toFixed(1) + "%");
      } else if (key === "op") cell(row, "td", r.into ? "fused into " + r.into : r.op || "", "op");
      else if (SHOWN[key]) cell(row, "td", r.rest && key === "order" ? "" : SHOWN[key](value(r, key)), "num" + (key === "ratio" && slower(r) ? " worse" : "") + (column.est ? " est" : ""));
      else cell(row, "td", r[key] || "", column.est ? "est" : "");
    }
  }

  // By more than 5 %, and the middle halves of the passes don't overlap. (`workbench compare` gives intervals.)
  function slower(r) {
    const q = +state.r;
    return r.ratio > 1.05 && r.ms[q] - (r.iqr[q] || 0) / 2 > r.ms[0] + (r.iqr[0] || 0) / 2;
  }

  function body(shown, top) {
    const out = document.createDocumentFragment();
    for (const r of shown) {
      const row = out.appendChild(document.createElement("tr"));
      if (r.rest) row.className = "rest";
      cells(row, r, top);
    }
    const focused = document.activeElement && document.activeElement.dataset.node;
    table.tBodies[0].replaceChildren(out);
    if (focused) [...table.tBodies[0].querySelectorAll("button")].find((b) => b.dataset.node === focused)?.focus();
  }

  function foot(shown, every) {
    table.tFoot.replaceChildren();
    const cut = shown.length < every.length && state.v !== "tree";
    for (const [text, list] of cut ? [["shown", shown], ["all", every]] : [["all", every]]) {
      if (!list.length) continue;
      const sum = group(text, list);
      Object.assign(sum, { layers: 0, scheme: "" });
      finish([sum], Array.from({ length: P }, (_, p) => total(every, p)));
      const row = table.tFoot.appendChild(document.createElement("tr"));
      cells(row, { ...sum, order: -1 }, 0);
      const first = row.querySelector("td");
      if (columns()[0].key === "order") first.textContent = "";
    }
  }

  function grouped(list) {
    const groups = new Map();
    for (const r of list) {
      const key = data.always.includes(r.path[0]) ? r.path[0] : state.v === "component" ? r.component : r[state.v] || "(none)";
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(r);
    }
    return [...groups].map(([key, parts]) => group(key, parts));
  }

  function draw() {
    read();
    options(form.c, [...found.map((n) => [n, n]), ...(found.length > 1 ? [["", "all"]] : [])], state.c);
    options(form.n, data.labels.map((label, p) => [String(p), label]), state.n);
    form.n.parentNode.hidden = P < 2;
    options(form.r, data.labels.slice(1).map((label, p) => [String(p + 1), `${label} ÷ ${data.labels[0]}`]), state.r);
    form.r.parentNode.hidden = P < 3;
    form.v.value = state.v;
    if (form.q.value !== state.q) form.q.value = state.q;
    form.all.checked = state.all === "1";
    const typed = words(state.q);
    const every = rows.filter((r) => state.c === "" || r.component === state.c);
    const whole = Array.from({ length: P }, (_, p) => total(every, p));
    const wanted = every.filter((r) => holds([r.component, r.layer, r.op, r.scheme, r.into], typed));
    const cut = state.all !== "1" && !typed.length;
    finish(every, whole);
    let shown, told;
    if (state.v === "tree") {
      shown = [];
      flatten(treeOf(wanted), 0, typed, shown);
      finish(shown, whole);
      told = `${wanted.length} layers` + (cut ? ", of each module the parts that make up 95 % of its time" : "");
    } else if (state.v === "layers") {
      const kept = heavy(every);
      shown = (cut ? wanted.filter((r) => kept.has(r)) : wanted).sort(compare);
      told = `${shown.length} of ${every.length} rows` + (cut ? ", those that make up 95 % of the time" : "");
    } else {
      shown = grouped(wanted);
      finish(shown, whole);
      shown.sort(compare);
      told = `${wanted.length} of ${every.length} layers in ${shown.length} rows`;
    }
    const shownAs = { tree: "module", op: "main operator", scheme: "scheme", component: "component" }[state.v] || "layer";
    heads(table, columns(), state, (c) => (c.key === "ratio" ? `${data.labels[+state.r]} ÷ ${data.labels[0]}` : c.key === "layer" ? shownAs : c.text));
    const scale = state.v === "tree" ? [{ ms: whole }] : shown.filter((r) => !layerless(r)); // their bars may be cut off
    body(shown, Math.max(1e-9, ...scale.flatMap((r) => r.ms.map((v) => v || 0))));
    foot(state.v === "layers" ? shown : wanted, state.v === "layers" ? every : wanted);
    count.textContent = told;
  }

  listen(form, table, state, ["layer", "op", "scheme", "bound", "order"], () => { write(); draw(); }, draw);
  table.tBodies[0].addEventListener("click", (event) => {
    const button = event.target.closest("button[data-node]");
    if (!button) return;
    open.set(button.dataset.node, button.getAttribute("aria-expanded") !== "true");
    draw();
  });
  draw();
})();
