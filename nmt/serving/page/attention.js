// The attention map of a sentence: a matrix as SVG, and the same as a table for screen readers.
import { element } from "./sentence.js";

const CELL = 22; // pixels
const MOST_PIECES = 100; // on a side; more are not readable
const LABEL = 7.6; // pixels of the width of a character of a label, about
const END = "end"; // label of the column of the source's end-of-sentence token

function svg(tag, attributes, text = "") {
  const created = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    created.setAttribute(name, value);
  }
  created.textContent = text;
  return created;
}

const percent = (weight) => `${Math.round(100 * weight)} %`;

/** Labels of pieces: a middle dot marks the beginning of a word, as in the figures of nmt plot. */
const labels = (pieces) => pieces.map((piece) => piece.replaceAll("\u2581", "\u00b7"));

/** Return the nodes that show `map`, {source_pieces, pieces, attention, text} of the server's answer. */
export function attentionNodes(map, languages) {
  if (!map.attention?.length) {
    return [element("p", "muted", "There is no map: the sentence is so long that it was translated in parts.")];
  }
  const source = [...labels(map.source_pieces), END];
  const target = labels(map.pieces);
  if (Math.max(source.length, target.length) > MOST_PIECES) {
    return [element("p", "muted", `The sentence has more than ${MOST_PIECES} pieces, too many for a map.`)];
  }
  const explanation = element(
    "p",
    "muted",
    "Rows: pieces of the translation. Columns: pieces of the text. " +
      "A cell shows how much attention the model paid to the column’s piece when it predicted the row’s piece.",
  );
  const readout = element("p", "readout", "Point at a cell to see its value.");
  const scroller = element("div", "matrix-scroller");
  scroller.tabIndex = 0; // so that the keyboard can scroll it
  scroller.setAttribute("role", "group");
  scroller.setAttribute("aria-label", "Attention map, drawing");
  scroller.append(matrix(source, target, map.attention, languages, readout));
  const values = element("div", "matrix-values");
  values.append(readout, table(source, target, map.attention, languages));
  const columns = element("div", "matrix-columns");
  columns.append(scroller, values);
  return [explanation, columns];
}

function matrix(source, target, weights, languages, readout) {
  const widest = (texts) => Math.max(...texts.map((text) => text.length));
  const left = 16 + widest(target) * LABEL;
  const top = 14 + widest(source) * LABEL * 0.87; // columns' labels are turned by 60 degrees
  const width = left + source.length * CELL + top * 0.6;
  const height = top + target.length * CELL + 4;
  const picture = svg("svg", {
    class: "matrix",
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label":
      `Attention of ${target.length} pieces of the translation to ${source.length} pieces of the text. ` +
      "The table has the strongest of each row.",
  });
  picture.append(
    svg("rect", { class: "matrix-ground", x: left, y: top, width: source.length * CELL, height: target.length * CELL }),
  );
  const columns = source.map((label, s) => {
    const [x, y] = [left + (s + 0.6) * CELL, top - 7];
    const shown = svg("text", { x, y, transform: `rotate(-60 ${x} ${y})`, lang: languages.source }, label);
    shown.classList.toggle("is-end", s === source.length - 1);
    return shown;
  });
  const rows = target.map((label, t) =>
    svg("text", { x: left - 8, y: top + (t + 0.5) * CELL + 4.5, "text-anchor": "end", lang: languages.target }, label),
  );
  picture.append(...columns, ...rows);
  weights.forEach((row, t) =>
    row.forEach((weight, s) => {
      if (weight >= 0.005) {
        // of the others nothing would be seen
        const place = { x: left + s * CELL + 1, y: top + t * CELL + 1, width: CELL - 2, height: CELL - 2, rx: 3 };
        picture.append(svg("rect", { class: "cell", ...place, "fill-opacity": weight.toFixed(3) }));
      }
    }),
  );
  const frame = svg("rect", { class: "cell-frame", width: CELL, height: CELL, rx: 4, visibility: "hidden" });
  picture.append(frame);
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const s = Math.floor((event.clientX - box.left - left) / CELL);
    const t = Math.floor((event.clientY - box.top - top) / CELL);
    const weight = weights[t]?.[s];
    [...columns, ...rows].forEach((text) =>
      text.classList.toggle("pointed", weight !== undefined && (text === columns[s] || text === rows[t])),
    );
    frame.setAttribute("visibility", weight === undefined ? "hidden" : "visible");
    if (weight !== undefined) {
      frame.setAttribute("x", left + s * CELL);
      frame.setAttribute("y", top + t * CELL);
      readout.textContent = `Attention of “${target[t]}” to “${source[s]}”: ${percent(weight)}`;
    }
  });
  return picture;
}

function table(source, target, weights, languages) {
  const details = element("details", "table");
  const body = element("tbody");
  weights.forEach((row, t) => {
    const best = row.indexOf(Math.max(...row));
    const line = element("tr");
    const head = element("th", "", target[t]);
    head.scope = "row";
    head.lang = languages.target;
    const piece = element("td", "", source[best]);
    piece.lang = best === source.length - 1 ? "en" : languages.source;
    line.append(head, piece, element("td", "number", percent(row[best])));
    body.append(line);
  });
  const head = element("thead");
  const titles = element("tr");
  for (const title of ["Piece of the translation", "Strongest piece of the text", "Attention"]) {
    const cell = element("th", "", title);
    cell.scope = "col";
    titles.append(cell);
  }
  head.append(titles);
  const grid = element("table");
  grid.append(
    element("caption", "visually-hidden", "The strongest attention of each piece of the translation"),
    head,
    body,
  );
  const scroller = element("div", "table-scroller");
  scroller.append(grid);
  details.append(element("summary", "", "As a table"), scroller);
  return details;
}
