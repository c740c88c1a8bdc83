// ---- the parts of the page --------------------------------------------------------------------------------

const parts = new Map(), nav = document.querySelector(".tabs");

function part(name, fill) {
  const id = name.toLowerCase().replaceAll(" ", "-");
  const section = make("section", { id, role: "tabpanel", "aria-labelledby": `tab-${id}`, hidden: true });
  const tab = make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": id, "aria-selected": "false", tabindex: "-1" }, name);
  tab.addEventListener("click", () => show(name));
  nav.append(tab); main.append(section); parts.set(name, { section, tab, fill });
}

function fillPart(name) {
  const one = parts.get(name);
  if (one.fill) { const { fill } = one; one.fill = null; fill(one.section); }
}

function show(name) {
  for (const [other, { section, tab }] of parts) {
    section.hidden = other !== name;
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
  }
  const known = new Set(drawn.keys());
  fillPart(name);
  for (const [element, draw] of drawn) if (known.has(element) && parts.get(name).section.contains(element)) draw();
}

function redraw(within) { for (const [element, draw] of drawn) if (within.contains(element)) draw(); }

nav.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...nav.children], next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.focus(); next.click();
});

function head(section, name) {
  const table = data.tables[name];
  section.append(make("h2", {}, table.heading));
  if (table.note) section.append(make("p", { class: "note" }, table.note));
}

function addModels(section) {
  head(section, "models");
  const table = data.tables.models, metrics = table.columns.filter((column) => column.good !== null);
  const weights = new Map(metrics.map((column) => [column.field, 1]));
  const score = (row) => {
    let sum = 0, whole = 0, n = 0;
    for (const column of metrics) {
      const good = goodness(column, row[column.field]), weight = weights.get(column.field);
      if (good !== null && weight > 0) { sum += weight * good; whole += weight; n += 1; }
    }
    return { score: whole ? sum / whole : null, scored: n };
  };
  const settle = () => { for (const row of table.rows) Object.assign(row, score(row)); };
  settle();
  if (metrics.length) {
    section.append(make("p", { class: "note" }, "Score: mean of the shaded columns, each from 0 (as bad as the threshold, or worse) to 1 (as good as it need be), of those that a model has numbers for."));
    const rows = metrics.map((column) => {
      const input = (name, get, set) => {
        const field = make("input", { type: "number", step: "any", value: String(get()), "aria-label": `${name} of ${column.title}` });
        field.addEventListener("change", () => { if (field.value !== "" && Number.isFinite(Number(field.value))) { set(Number(field.value)); settle(); made.replaceData(table.rows.map(copy)); } });
        return make("td", {}, field);
      };
      return make("tr", {}, make("td", {}, `${titled(column)}${column.ideal === null ? "" : `, off ${column.ideal}`}`),
        input("weight", () => weights.get(column.field), (value) => weights.set(column.field, Math.max(0, value))),
        input("good", () => column.good, (value) => { column.good = value; }), input("bad", () => column.bad, (value) => { column.bad = value; }));
    });
    const titles = make("tr", {}, ...["column", "weight", "good", "bad"].map((title) => make("th", { scope: "col" }, title)));
    section.append(make("details", {}, make("summary", {}, "Weights and thresholds"), make("table", { class: "weights" }, make("thead", {}, titles), make("tbody", {}, ...rows))));
  }
  const copy = (row) => ({ ...row, opens: null });
  const column = { field: "score", title: "score", hozAlign: "right", sorter: "number", sorterParams: { alignEmptyValues: "bottom" },
    headerTooltip: "0 to 1, and over how many columns",
    formatter: (cell) => (cell.getValue() === null ? MISSING : `${cell.getValue().toFixed(2)} (${cell.getData().scored})`) };
  const made = addTable(section, "models", { extra: metrics.length ? [column] : [], weights, sort: metrics.length ? [{ column: "score", dir: "desc" }] : [] });
}

function addMaterials(section) {
  const names = [...new Set(data.runs.map((run) => run.material))].sort();
  const select = make("select", { id: "material" }, ...names.map((name) => make("option", { value: name }, name)));
  const holder = make("div");
  section.append(make("div", { class: "bar" }, make("label", { for: "material" }, "Material"), select), holder);
  const grouped = (runs) => Object.entries(Object.groupBy(runs, (run) => run.title));
  const fill = () => {
    forget(holder);
    const ours = data.runs.filter((run) => run.material === select.value), panels = make("div", { class: "panels" });
    const links = make("ul", {}, ...ours.map((run) => make("li", {}, make("a", { href: `#run-${data.runs.indexOf(run)}` }, `${run.title}: ${run.model || run.kind}`),
      run.state === "finished" ? "" : ` (${(run.facts.failure || run.state).replaceAll("_", " ")})`)));
    holder.replaceChildren(make("h2", {}, select.value), panels, make("h3", {}, "Runs"), links);
    const add = (draw, ...rest) => { const element = make("div", { class: "plot", "aria-label": rest.at(-1) }); panels.append(element); draw(element, ...rest); };
    for (const [title, runs] of grouped(ours.filter((run) => run.band && run.facts.failure !== "type_I_divergence"))) add(profiles, runs, title);
    for (const [title, runs] of grouped(ours.filter((run) => run.msd)))
      add(curves, runs, "msd", "time_ps", () => ["msd_windowed_A2"], ["lag (ps)", "MSD (Å²)"], `${title}: mean squared displacement`);
    for (const [title, runs] of grouped(ours.filter((run) => run.rdf))) {
      const pairs = new Set(runs.flatMap((run) => Object.keys(run.rdf)).filter((pair) => pair !== "r_A"));
      for (const pair of pairs) add(curves, runs.filter((run) => run.rdf[pair]), "rdf", "r_A", () => [pair], ["r (Å)", "g(r)"], `${title}: ${pair}`);
    }
  };
  select.addEventListener("change", fill);
  fill();
}

function addFailures(section) {
  section.append(make("h2", {}, "Failures"), make("p", { class: "note" }, "Runs that ended with a failure or an error: choose one to see its path, its numbers and the end of its log."));
  const rows = ["barriers", "kinetics", "images", "dynamics"].flatMap((name) => (data.tables[name] ? data.tables[name].rows.filter((row) => row.failure)
    .map((row) => ({ ...row, of: data.tables[name].heading })) : []));
  const of = (field, title, form = "") => ({ field, title, form, unit: "", low: "", high: "", header: "", good: null, bad: null, ideal: null });
  data.tables.failed = { heading: "Failures", note: "", rows, columns: [of("material", "material"), of("model", "model"), of("failure", "failure"), of("family", "family"),
    of("mechanism", "mechanism"), of("hop_index", "hop", "d"), of("temperature_K", "T (K)", ".0f"), of("barrier_eV", "barrier (eV)", ".3f"), of("of", "of"), of("message", "message")]
    .filter((column) => rows.some((row) => row[column.field] !== null && row[column.field] !== undefined)) };
  const bars = make("div", { class: "plot", "aria-label": "Failures by class" });
  section.append(bars);
  const made = addTable(section, "failed", { height: "60vh" });
  const classes = [...new Set(rows.map((row) => row.failure))].sort();
  plot(bars, () => [{ type: "bar", x: classes.map((name) => escaped(name.replaceAll("_", " "))), y: classes.map((name) => rows.filter((row) => row.failure === name).length), marker: { color: COLOURS[1] } }],
    () => ({ bargap: Math.max(0.2, 1 - classes.length / 8), title: { text: "by class: choose one", font: { size: 13 } }, xaxis: axis(""), yaxis: axis("runs") }));
  bars.on("plotly_click", (event) => made.setHeaderFilterValue("failure", classes[event.points[0].pointIndex].replaceAll("_", " ")));
}

part("Models", (section) => {
  addModels(section);
  for (const name of ["statistics", "dynamics_statistics", "labels"]) if (data.tables[name]) { head(section, name); addTable(section, name, { height: "60vh" }); }
});
if (data.figures.length) part("Figures", addFigures);
if (data.runs.length) part("Materials", addMaterials);
for (const name of ["barriers", "believed", "kinetics", "dynamics", "images"])
  if (data.tables[name]) part(data.tables[name].heading, (section) => { head(section, name); addTable(section, name, { height: "70vh" }); });
if (["barriers", "kinetics", "images", "dynamics"].some((name) => data.tables[name] && data.tables[name].rows.some((row) => row.failure))) part("Failures", addFailures);
if (data.runs.length) part("Provenance", (section) => { head(section, "provenance"); addTable(section, "provenance", { height: "70vh" }); });

// ---- light and dark ---------------------------------------------------------------------------------------

const themeButton = document.getElementById("theme"), media = matchMedia("(prefers-color-scheme: dark)");
function remembered() { try { return localStorage.getItem("hopkin-theme"); } catch { return null; } }
function setTheme(name, keep) {
  root.dataset.theme = name;
  themeButton.textContent = name === "dark" ? "Light" : "Dark";
  if (keep) try { localStorage.setItem("hopkin-theme", name); } catch { /* a file of a browser that keeps nothing */ }
  redraw(document);
}
themeButton.addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark", true));
media.addEventListener("change", () => { if (!remembered()) setTheme(media.matches ? "dark" : "light", false); });
setTheme(remembered() || (media.matches ? "dark" : "light"), false);

let before = null;
addEventListener("beforeprint", () => {
  before = root.dataset.theme;
  setTheme("light", false);
  for (const name of parts.keys()) { parts.get(name).section.hidden = false; fillPart(name); }
  for (const print of onPaper) print();
  redraw(document);
});
addEventListener("afterprint", () => {
  setTheme(before, false);
  for (const paper of document.querySelectorAll(".paper")) paper.replaceChildren();
  show([...parts].find(([, { tab }]) => tab.getAttribute("aria-selected") === "true")[0]);
});

show("Models");
follow();
