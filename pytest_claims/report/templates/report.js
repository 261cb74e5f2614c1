"use strict";
// Values on hover: each chart gets a slider, which the pointer moves too, and reads them from the table behind it.
document.querySelectorAll("figure").forEach((figure) => {
  const charts = figure.querySelectorAll("svg[data-x]"), tables = figure.querySelectorAll("table.numbers");
  charts.forEach((chart, i) => {
    const rows = tables[i].tBodies[0].rows, xs = chart.dataset.x.split(" ").map(Number);
    if (!rows.length) return;
    const names = [...tables[i].tHead.rows[0].cells].map((cell) => cell.textContent);
    const [, , width, height] = chart.getAttribute("viewBox").split(" ").map(Number);
    const slider = document.createElement("input"), output = document.createElement("output");
    const cross = document.createElementNS(chart.namespaceURI, "path");
    Object.assign(slider, { type: "range", min: 0, max: xs.length - 1, value: xs.length - 1 });
    slider.setAttribute("aria-label", `Read ${tables[i].caption.textContent.replace(/^Numbers of /, "")}`);
    output.setAttribute("aria-live", "off");
    cross.setAttribute("class", "cross");
    chart.append(cross);
    const show = () => {
      const at = Number(slider.value), cells = [...rows[at].cells].map((cell) => cell.textContent);
      const values = cells.slice(1).map((text, k) => (text ? `${names[k + 1]} ${text}` : "")).filter(Boolean);
      cross.setAttribute("d", `M${xs[at]} 8V${height - 24}`);
      output.textContent = `${names[0]} ${cells[0]}: ${values.join("; ") || "no value"}`;
      slider.setAttribute("aria-valuetext", output.textContent);
    };
    const read = () => { chart.classList.add("read"); show(); };
    slider.addEventListener("input", read);
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * width;
      slider.value = xs.reduce((best, place, k) => (Math.abs(place - x) < Math.abs(xs[best] - x) ? k : best), 0);
      read();
    });
    show();
    chart.parentNode.append(slider, output);
  });
});
// How many claims the boxes hide; without a script the note says only that there are some.
document.querySelectorAll(".show").forEach((box) => box.addEventListener("change", () => {
  const items = [...document.querySelectorAll("article.item, .matrix .item")];
  const hidden = items.filter((item) => getComputedStyle(item).display === "none").length;
  document.querySelector(".filtered").textContent = `${hidden} of ${items.length} claims are hidden: a box is not ticked.`;
}));
// Paper has no folds.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((fold) => { fold.open = true; });
});
addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));
