// ---- figures ----------------------------------------------------------------------------------------------

const drawn = new Map(); // element: function that draws it again

// a plot keeps to its place, whatever comes beside it later
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.classList.contains("js-plotly-plot") && target.offsetWidth) Plotly.Plots.resize(target);
});

// plotly reads some tags in its texts
function escaped(text) { return typeof text === "string" ? text.replaceAll("&", "&amp;").replaceAll("<", "&lt;") : text; }

// Forget the plots in an element that goes away.
function forget(within) {
  for (const element of within.querySelectorAll(".plot, .scene")) {
    drawn.delete(element);
    resized.unobserve(element);
    if (element.classList.contains("plot")) Plotly.purge(element);
    for (const canvas of element.querySelectorAll("canvas")) { const gl = canvas.getContext("webgl2") || canvas.getContext("webgl"); if (gl) gl.getExtension("WEBGL_lose_context")?.loseContext(); }
  }
}

function colour(name) { return getComputedStyle(root).getPropertyValue(`--${name}`).trim(); }

function hueOf(model) { return COLOURS[Math.max(0, models.indexOf(model)) % COLOURS.length]; }

function axis(title, type) {
  const line = colour("line");
  return { title: { text: title }, type, gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, exponentformat: "power" };
}

function plot(element, traces, layout) {
  element.setAttribute("role", "group"); // its buttons can be reached
  const draw = () => Plotly.react(element, traces(), {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("ink"), size: 12 },
    margin: { t: 34, r: 12, b: 40, l: 50 }, hovermode: "closest", colorway: COLOURS, legend: { orientation: "h", y: -0.25 },
    ...layout(),
  }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] });
  drawn.set(element, draw);
  resized.observe(element);
  if (!element.closest("[hidden]")) draw();
}

const EDGES = ["triangle-up", "triangle-down", "triangle-right", "triangle-left"];

function edgeOf(x, y, [low, high]) { return [y > high, y < low, x > high, x < low].indexOf(true); }

function traceOf(series, index, ends) {
  const own = models.indexOf(series.model);
  const at = own < 0 ? index : own, hue = COLOURS[at % COLOURS.length];
  const common = { name: escaped(series.label), x: series.x.map(escaped), y: series.y, text: series.hover.map(escaped), hovertemplate: series.hover.length ? "%{text}<br>%{x}, %{y}<extra>%{fullData.name}</extra>" : undefined };
  if (series.mark === "box") return { ...common, type: "box", boxpoints: "all", jitter: 0.4, pointpos: 0, marker: { color: hue, size: 4 }, showlegend: false };
  const bars = series.high.length ? { error_y: { type: "data", symmetric: false,
    array: series.y.map((y, n) => (series.high[n] === null ? 0 : series.high[n] - y)),
    arrayminus: series.y.map((y, n) => (series.low[n] === null ? 0 : y - series.low[n])), color: colour("soft"), thickness: 1.2 } } : {};
  if (series.mark === "bar") return { ...common, ...bars, type: "bar", marker: { color: hue } };
  if (series.mark === "line") return { ...common, type: "scatter", mode: "lines", line: { color: hue, width: 1.6 } };
  const own_symbol = SYMBOLS[Math.floor(at / COLOURS.length) % SYMBOLS.length];
  const edges = series.y.map((y, n) => (ends ? edgeOf(series.x[n], y, ends) : -1));
  const symbols = edges.map((edge, n) => `${edge < 0 ? own_symbol : EDGES[edge]}${series.hollow[n] ? "-open" : ""}`);
  const clip = (value) => (ends && typeof value === "number" ? Math.min(ends[1], Math.max(ends[0], value)) : value);
  const text = series.hover.map((hover, n) => (edges[n] < 0 ? escaped(hover) : `${escaped(hover)}<br>outside: ${series.x[n]}, ${series.y[n]}`));
  return { ...common, ...bars, text, x: common.x.map(clip), y: series.y.map(clip), type: "scatter", mode: "markers", cliponaxis: false,
    marker: { color: hue, size: 8, symbol: symbols } };
}

// of bars that stand on one another
function highest(panel) {
  const sums = new Map();
  for (const one of panel.series) one.x.forEach((x, n) => sums.set(x, (sums.get(x) || 0) + one.y[n]));
  return Math.max(0, ...sums.values());
}

function drawPanel(element, panel) {
  const layout = () => {
    const categories = new Set(panel.series.flatMap((one) => one.x.filter((x) => typeof x === "string"))).size;
    const made = { bargap: Math.max(0.2, 1 - categories / 8), title: panel.title ? { text: escaped(panel.title), font: { size: 13 } } : undefined, barmode: { stacked: "stack", overlaid: "overlay" }[panel.bars] || "group",
      xaxis: axis(panel.x_label, panel.log_x ? "log" : undefined), yaxis: axis(panel.y_label, panel.log_y ? "log" : undefined), shapes: [] };
    const dashed = { dash: "dash", color: colour("soft"), width: 1 };
    if (panel.ends) {
      const [low, high] = panel.ends;
      made.shapes.push({ type: "line", x0: low, y0: low, x1: high, y1: high, line: dashed });
      const range = panel.log_x ? [Math.log10(low), Math.log10(high)] : [low, high];
      Object.assign(made.xaxis, { range }); Object.assign(made.yaxis, { range });
    }
    if (panel.categories.length) Object.assign(made.xaxis, { categoryorder: "array", categoryarray: panel.categories.map(escaped) });
    if (panel.bars === "stacked") made.yaxis.dtick = highest(panel) < 10 ? 1 : undefined;
    if (panel.level !== null) made.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: panel.level, y1: panel.level, line: dashed });
    return made;
  };
  const outside = panel.ends ? panel.series.flatMap((one) => one.y.filter((y, n) => edgeOf(one.x[n], y, panel.ends) >= 0)).length : 0;
  const note = { x: [null], y: [null], type: "scatter", mode: "markers", marker: { symbol: "triangle-up", color: "#7A7A7A", size: 8 }, name: `${outside} outside` };
  plot(element, () => [...panel.series.map((one, n) => traceOf(one, n, panel.ends)), ...(outside ? [note] : [])], layout);
}

function addFigures(section) {
  for (const figure of data.figures) {
    const panels = make("div", { class: "panels" });
    section.append(make("figure", { class: "figure" }, make("h2", {}, figure.title), panels, make("figcaption", {}, figure.caption)));
    for (const panel of figure.panels) {
      const element = make("div", { class: "plot", "aria-label": `${figure.title}${panel.title ? `, ${panel.title}` : ""}` });
      panels.append(element);
      drawPanel(element, panel);
    }
  }
}

function profiles(element, runs, label) {
  const traces = () => runs.flatMap((run) => {
    const hue = hueOf(run.model), { coordinate, energies_eV, curve } = run.band;
    const barrier = run.facts.barrier_eV === undefined ? "no barrier" : `${run.facts.barrier_eV.toFixed(3)} eV`;
    const name = `${escaped(run.model)}: ${barrier}${run.facts.failure ? `, ${run.facts.failure.replaceAll("_", " ")}` : ""}`;
    const line = { color: hue, dash: run.facts.failure ? "dash" : "solid", width: 2 };
    return [
      { x: curve ? curve[0] : coordinate, y: curve ? curve[1] : energies_eV, mode: "lines", line, name, legendgroup: run.name },
      { x: coordinate, y: energies_eV, mode: "markers", marker: { color: hue, size: 7 }, name, legendgroup: run.name, showlegend: false },
    ];
  });
  plot(element, traces, () => ({ title: { text: escaped(label), font: { size: 13 } }, xaxis: axis("reaction coordinate"), yaxis: axis("energy above the initial end (eV)") }));
}

function curves(element, runs, name, x, columns, titles, label) {
  const traces = () => runs.flatMap((run) => {
    const hue = hueOf(run.model);
    return columns(run).map((column, n) => ({ x: run[name][x], y: run[name][column], mode: "lines",
      line: { color: runs.length > 1 ? hue : COLOURS[n % COLOURS.length], dash: runs.length > 1 && n ? "dot" : "solid", width: 1.6 },
      name: runs.length > 1 ? `${escaped(run.model)}${n ? ` (${column})` : ""}` : escaped(column.replaceAll("_", " ")), legendgroup: run.name }));
  });
  plot(element, traces, () => ({ title: { text: escaped(label), font: { size: 13 } }, xaxis: axis(titles[0]), yaxis: axis(titles[1]) }));
}

const STILL = 1e-20; // cm²/s: an ion that needs hours for an atom's width; what lies below is not drawn

function arrhenius(element, run, label) {
  const of = run.kinetics, x = of.kelvin.map((kelvin) => 1000 / kelvin), traces = [], still = [];
  const positive = (column) => column.map((value) => (value > 0 ? value : null));
  of.axes.forEach((name, axis) => {
    const along = (table) => positive(table.map((row) => row[axis]));
    const most = [of.vacancy_diffusivity_cm2_per_s, of.believed_high_cm2_per_s].filter((table) => table).flatMap(along);
    if (!most.some((value) => value > STILL)) { still.push(name); return; }
    const hue = COLOURS[axis % COLOURS.length];
    if (of.believed_low_cm2_per_s) {
      const edge = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: name };
      traces.push({ ...edge, y: along(of.believed_low_cm2_per_s) }, { ...edge, y: along(of.believed_high_cm2_per_s), fill: "tonexty", fillcolor: `${hue}22` });
    }
    traces.push({ x, y: along(of.vacancy_diffusivity_cm2_per_s), mode: "lines+markers", name: `vacancy, ${name}`, legendgroup: name, line: { color: hue, width: 1.6 } });
    traces.push({ x, y: along(of.ion_diffusivity_cm2_per_s), mode: "lines", name: `ion, ${name}`, legendgroup: name, line: { color: hue, width: 1.2, dash: "dot" } });
  });
  const drawn_traces = traces.filter((one) => one.y.some((value) => value !== null));
  const logs = drawn_traces.flatMap((one) => one.y.filter((value) => value !== null).map((value) => Math.log10(value)));
  const low = Math.max(Math.min(...logs), Math.log10(STILL)), high = Math.max(...logs), pad = 0.05 * (high - low) + 0.1;
  const note = still.length ? `<br>along ${still.join(", ")}: below ${STILL} cm²/s` : "";
  plot(element, () => drawn_traces, () => ({ title: { text: escaped(label) + note, font: { size: 13 } }, xaxis: axis("1000 K / T"),
    yaxis: { ...axis("D (cm²/s)", "log"), ...(logs.length ? { range: [low - pad, high + pad] } : {}) } }));
}
