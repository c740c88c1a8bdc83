// ---- a crystal and its path in three dimensions -----------------------------------------------------------

function xyz(crystal, image) {
  const places = crystal.positions.map((place, atom) => (crystal.moving && crystal.moving[atom] ? crystal.moving[atom][image] : place));
  return `${places.length}\n\n${places.map((place, atom) => `${crystal.symbols[atom]} ${place.join(" ")}`).join("\n")}`;
}

function scene(holder, crystal) {
  const view = make("div", { class: "scene", role: "img", "aria-label": "Crystal, the moving ions at each image" });
  holder.append(view);
  const point = ([x, y, z]) => ({ x, y, z });
  const viewer = $3Dmol.createViewer(view, { backgroundColor: colour("panel"), antialias: true });
  if (!viewer) { view.replaceWith(make("p", { class: "note" }, "No WebGL here: the crystal cannot be drawn.")); return; }
  const [a, b, c] = crystal.cell, add = (...vectors) => vectors.reduce((sum, v) => sum.map((value, n) => value + v[n]), [0, 0, 0]);
  const images = crystal.moving ? Math.max(1, ...Object.values(crystal.moving).map((places) => places.length)) : 1;
  const show = (image, zoom) => {
    viewer.removeAllModels(); viewer.removeAllShapes();
    viewer.addModel(xyz(crystal, image), "xyz").setStyle({}, { sphere: { scale: 0.22 }, stick: { radius: 0.07 } });
    for (const [v, others] of [[a, [b, c]], [b, [a, c]], [c, [a, b]]])
      for (const start of [[0, 0, 0], others[0], others[1], add(...others)])
        viewer.addLine({ start: point(start), end: point(add(start, v)), color: colour("soft") });
    for (const places of Object.values(crystal.moving || {}))
      places.forEach((place, n) => {
        viewer.addSphere({ center: point(place), radius: n === image ? 0.5 : 0.22, color: n === image ? "#D55E00" : "#E69F00" });
        if (n) viewer.addCylinder({ start: point(places[n - 1]), end: point(place), radius: 0.07, color: "#E69F00" });
      });
    if (zoom) { viewer.zoomTo(); viewer.rotate(20, "y"); viewer.rotate(12, "x"); }
    viewer.render();
  };
  show(0, true);
  if (images > 1) {
    const slider = make("input", { type: "range", min: "0", max: String(images - 1), value: "0", "aria-label": "Image of the path" });
    const label = make("span", {}, "initial end");
    slider.addEventListener("input", () => {
      const image = Number(slider.value);
      label.textContent = image === 0 ? "initial end" : image === images - 1 ? "final end" : `image ${image}`;
      show(image, false);
    });
    holder.append(make("div", { class: "bar" }, slider, label));
  }
  holder.append(make("p", { class: "note" }, "Drag to turn, scroll to zoom."));
  drawn.set(view, () => { viewer.setBackgroundColor(colour("panel")); viewer.render(); });
}

// ---- the hops of a crystal, as a network ----------------------------------------------------------------------

const SHADES = ["#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725"];

function network(holder, net) {
  const view = make("div", { class: "scene", role: "img", "aria-label": "Network of hops, by their barriers" });
  holder.append(view);
  const viewer = $3Dmol.createViewer(view, { backgroundColor: colour("panel"), antialias: true });
  if (!viewer) { view.replaceWith(make("p", { class: "note" }, "No WebGL here: the network cannot be drawn.")); return; }
  const point = ([x, y, z]) => ({ x, y, z }), plus = (u, v) => u.map((value, n) => value + v[n]);
  const barriers = [...new Map(net.lines.map((line) => [line.hop, line.barrier_eV]))].sort((one, other) => one[1] - other[1]);
  const low = barriers[0][1], high = barriers.at(-1)[1];
  const shade = (barrier) => SHADES[high > low ? Math.round(((barrier - low) / (high - low)) * (SHADES.length - 1)) : 0];
  const [a, b, c] = net.cell, times = (n, v) => v.map((value) => n * value);
  for (let i = 0; i < 2; i += 1) for (let j = 0; j < 2; j += 1) for (let k = 0; k < 2; k += 1) {
    const shift = plus(plus(times(i, a), times(j, b)), times(k, c));
    for (const site of net.sites) viewer.addSphere({ center: point(plus(site, shift)), radius: 0.35, color: "#888888" });
    for (const line of net.lines) {
      const [start, end] = line.ends.map((place) => point(plus(place, shift)));
      viewer.addCylinder({ start, end, radius: 0.1, color: shade(line.barrier_eV), fromCap: 1, toCap: 1 });
    }
  }
  viewer.zoomTo(); viewer.rotate(20, "y"); viewer.rotate(12, "x"); viewer.render();
  const legend = make("p", { class: "note" }, "Eight primitive cells; hops by the higher of their two barriers: ");
  for (const [hop, barrier] of barriers) legend.append(make("span", { class: "shade", style: `--shade: ${shade(barrier)}` }), ` hop ${hop} ${barrier.toFixed(3)} eV; `);
  holder.append(legend);
  drawn.set(view, () => { viewer.setBackgroundColor(colour("panel")); viewer.render(); });
}

// ---- one run ----------------------------------------------------------------------------------------------

function openRun(number) {
  const run = data.runs[number];
  if (!run) return;
  forget(dialog);
  const close = make("button", { class: "close", type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const facts = make("dl", { class: "facts" });
  for (const [name, value] of Object.entries(run.facts)) {
    const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : typeof value === "object" ? JSON.stringify(value) : String(value);
    facts.append(make("dt", {}, name), make("dd", {}, text));
  }
  const panels = make("div", { class: "panels" }), plots = [];
  const add = (...how) => { const element = make("div", { class: "plot", "aria-label": how.at(-1) }); panels.append(element); plots.push([element, how]); };
  if (run.band) add(profiles, [run], "energy along the path");
  if (run.msd) add(curves, [run], "msd", "time_ps", () => ["msd_windowed_A2", "msd_single_origin_A2"], ["time, or lag (ps)", "MSD (Å²)"], "mean squared displacement");
  if (run.rdf) add(curves, [run], "rdf", "r_A", (of) => Object.keys(of.rdf).filter((pair) => pair !== "r_A"), ["r (Å)", "g(r)"], "radial distribution functions");
  if (run.kinetics) add(arrhenius, run, "diffusivities over temperature");
  const crystal = make("div");
  dialog.replaceChildren(close, make("h2", { id: "run-title" }, `${run.title}: ${run.model || run.kind}`),
    make("p", {}, `${run.state}, `, make("a", { href: run.link }, run.name)), panels);
  if (run.crystal || run.network) panels.append(crystal);
  dialog.append(make("h3", {}, "Numbers"), facts);
  if (run.log) dialog.append(make("h3", {}, "End of LAMMPS's log"), make("pre", { tabindex: "0", "aria-label": "End of LAMMPS's log" }, run.log));
  if (!dialog.open) dialog.showModal();
  for (const [element, [draw, ...rest]] of plots) draw(element, ...rest);
  if (run.crystal) scene(crystal, run.crystal);
  if (run.network) network(crystal, run.network);
  dialog.scrollTop = 0;
}

dialog.addEventListener("close", () => { forget(dialog); dialog.replaceChildren(); if (location.hash.startsWith("#run-")) history.replaceState(null, "", location.pathname + location.search); });
function follow() { const found = /^#run-(\d+)$/.exec(location.hash); if (found) openRun(Number(found[1])); }
addEventListener("hashchange", follow);
