"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement, main = document.querySelector("main"), dialog = document.getElementById("run");
const MISSING = "–";
// Okabe and Ito (2008): colours that stay apart for colour-blind readers
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7A7A7A"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "x", "star", "hexagon"];
const models = [...new Set(data.runs.map((run) => run.model).filter(Boolean))].sort();

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// ---- numbers, as Python's format has them -----------------------------------------------------------------

function written(value, form, field = "") {
  if (value === null || value === undefined || value === "") return MISSING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return field.startsWith("failure") ? String(value).replaceAll("_", " ") : String(value);
  const [, sign, digits, kind] = /^(\+?)(?:\.(\d+))?([a-z%]?)$/.exec(form) || [];
  const shown = kind === "f" ? value.toFixed(digits) : kind === "e" ? value.toExponential(digits)
    : kind === "%" ? `${(100 * value).toFixed(digits)} %` : kind === "d" ? String(value)
    : String(Number(value.toPrecision(digits || 4)));
  return sign && value > 0 ? `+${shown}` : shown;
}

// ---- how good a value is: 1 where it is as good as it need be, 0 where it is of no use --------------------

function goodness(column, value) {
  if (value === null || value === undefined || column.good === null) return null;
  const distance = column.ideal === null ? value : Math.abs(value - column.ideal);
  if (column.good === column.bad) return distance <= column.good ? 1 : 0;
  return Math.min(1, Math.max(0, (column.bad - distance) / (column.bad - column.good)));
}

function shade(good) {
  if (good === null) return "";
  const strength = Math.abs(good - 0.5) * 2;
  return `rgba(var(--${good >= 0.5 ? "good" : "poor"}), calc(var(--shade) * ${strength.toFixed(3)}))`;
}

// ---- tables -----------------------------------------------------------------------------------------------

const onPaper = []; // what makes the tables that are printed: all rows, whatever is scrolled or filtered

function titled(column) { return column.unit ? `${column.title} (${column.unit})` : column.title; }

function shownCell(column, row) {
  const value = row[column.field], text = written(value, column.form, column.field);
  const low = column.low ? row[column.low] : null, high = column.high ? row[column.high] : null;
  const shown = make("span", {}, text);
  if (value !== null && high !== null && high !== undefined && high !== value) {
    const ends = low === null ? `to ${written(high, column.form)}` : `${written(low, column.form)} to ${written(high, column.form)}`;
    shown.append(make("span", { class: "interval" }, ` ${ends}`));
  }
  return shown;
}

function paperTable(columns, rows) {
  const head = columns.map((column) => make("th", { scope: "col" }, titled(column)));
  const body = rows.map((row) => make("tr", {}, ...columns.map((column) => make("td", {}, shownCell(column, row)))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

function definition(column, weights, first) {
  const numeric = column.form !== "";
  const matches = (wanted, value) => written(value, column.form, column.field).toLowerCase().includes(wanted.toLowerCase());
  return {
    field: column.field, headerTooltip: column.header || false, hozAlign: numeric ? "right" : "left",
    title: column.title, sorter: numeric ? "number" : "string", sorterParams: { alignEmptyValues: "bottom" },
    headerFilter: numeric ? false : "input", headerFilterFunc: matches, headerFilterPlaceholder: "filter", maxWidth: 320, minWidth: first ? 150 : 40,
    titleFormatter: () => {
      const title = make("span", {}, column.title);
      if (column.unit) title.append(make("span", { class: "unit" }, column.unit));
      return title;
    },
    formatter: (cell) => {
      const row = cell.getData(), value = cell.getValue();
      if (weights && column.good !== null) cell.getElement().style.backgroundColor = shade(goodness(column, value));
      if (column.field === row.opens) return make("a", { href: `#run-${row.run}` }, written(value, column.form, column.field));
      return shownCell(column, row);
    },
    titleDownload: titled(column),
  };
}

function addTable(section, name, { height = null, extra = [], weights = null, sort = [] } = {}) {
  const table = data.tables[name];
  if (!table) return null;
  const rows = table.rows.map((row) => ({ ...row, opens: row.run === null ? null : table.columns[0].field }));
  const holder = make("div");
  const search = make("input", { type: "search", placeholder: "search all columns", "aria-label": `Search ${table.heading}` });
  const download = make("button", { type: "button" }, "CSV");
  const paper = make("div", { class: "paper" });
  section.append(make("div", { class: "bar" }, search, download), holder, paper);
  onPaper.push(() => paper.replaceChildren(paperTable(table.columns, table.rows)));
  const made = new Tabulator(holder, {
    data: rows, columns: [...extra, ...table.columns.map((column, n) => definition(column, weights, n === 0))],
    layout: "fitDataFill", height: height && rows.length > 20 ? height : false, movableColumns: true,
    initialSort: sort, placeholder: "nothing",
    rowFormatter: (row) => row.getElement().classList.toggle("failed", Boolean(row.getData().failure)),
  });
  made.on("tableBuilt", () => { // what scrolls is a group of rows, and can be reached by the keyboard
    holder.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
    holder.querySelector(".tabulator-table").setAttribute("role", "presentation");
    holder.removeAttribute("aria-owns");
  });
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    made.setFilter((row) => words.every((word) => table.columns.some((column) => written(row[column.field], column.form, column.field).toLowerCase().includes(word))));
  });
  download.addEventListener("click", () => made.download("csv", `${name}.csv`));
  return made;
}
