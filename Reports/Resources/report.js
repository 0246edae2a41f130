// The page's behaviour: draws the plots with Vega and connects their controls. Without it, tables remain.
"use strict";
(() => {
  const vega = typeof vegaModules === "object" ? assembled(vegaModules) : globalThis.vega;
  if (vega) document.querySelectorAll("figure.plot").forEach(connect);
  openForPrint();

  /** Debian has Vega in modules that ask for each other; put together as Vega's own index does it. */
  function assembled(sources) {
    const loaded = {};
    const load = (name) => {
      if (name === "vega-selections") name = "vega-selection";
      if (!loaded[name]) {
        const module = (loaded[name] = {exports: {}});
        sources[name](module, module.exports, load);
      }
      return loaded[name].exports;
    };
    const {transforms} = load("vega-dataflow");
    for (const name of ["transforms", "view-transforms", "encode"]) {
      Object.assign(transforms, load("vega-" + name));
    }
    return {
      parse: load("vega-parser").parse,
      View: load("vega-view").View,
      expressionInterpreter: load("vega-interpreter").expressionInterpreter,
    };
  }

  /** Colours and letters come from the page's style, so that they follow light, dark and print. */
  function config() {
    const text = {labelColor: "var(--soft)", titleColor: "var(--ink)"};
    const fonts = {labelFont: "system-ui, sans-serif", titleFont: "system-ui, sans-serif"};
    return {
      background: "transparent",
      axis: {
        ...text, ...fonts, gridColor: "var(--line)", domainColor: "var(--soft)", tickColor: "var(--soft)",
        labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", titlePadding: 8,
      },
      view: {stroke: null},
    };
  }

  /** Makes one figure live. */
  function connect(figure) {
    const original = JSON.parse(figure.querySelector("script").textContent);
    const drawing = figure.querySelector(".drawing");
    const slider = figure.querySelector("input[type=range]");
    const reading = figure.querySelector(".reading output");
    const labels = JSON.parse(figure.querySelector(".legend").dataset.labels);
    let view;
    const isLogX = () => view.signal("logX");
    const ends = () => view.signal("xAxis").range;

    function amount(t) {
      const [first, last] = ends();
      return isLogX() ? first * (last / first) ** t : first + (last - first) * t;
    }

    function inverse(x) {
      const [first, last] = ends();
      return isLogX() ? Math.log(x / first) / Math.log(last / first) : (x - first) / (last - first);
    }

    function checked(axis, otherwise) {
      const box = figure.querySelector(`[data-log=${axis}]`);
      return box ? box.checked : otherwise;
    }

    /** The figure's specification as its controls ask for it. */
    function specification() {
      const spec = structuredClone(original);
      delete spec.title;
      const room = spec.signals.find((signal) => signal.name === "room");
      const row = spec.signals.find((signal) => signal.name === "row");
      if (isNarrow()) {
        // There is room for the beginning of a long name; the legend has all of it.
        [room.value, row.value] = [Math.min(room.value, 120), 12];
        spec.axes[0].titleAnchor = "start";
      }
      for (const signal of spec.signals) {
        delete signal.bind;
        const control = figure.querySelector(`[data-signal=${signal.name}]`);
        if (control) signal.value = control.type === "checkbox" ? control.checked : control.value;
        if (signal.name === "hidden") signal.value = hidden();
        if (signal.name === "logX") signal.value = checked("x", signal.value);
        if (signal.name === "logY") signal.value = checked("y", signal.value);
      }
      for (const scale of spec.scales) {
        if (scale.name === "x" || scale.name === "y") {
          const box = figure.querySelector(`[data-log=${scale.name}]`);
          if (box) scale.type = box.checked ? "log" : "linear";
        }
        if (scale.name === "colour") {
          scale.range = scale.range.map((colour) => `var(--series-${colour.slice(1)}, ${colour})`);
        }
      }
      spec.autosize = {type: "fit", contains: "padding"};
      spec.padding = {left: 0, right: 12, top: 8, bottom: 4};
      return spec;
    }

    function hidden() {
      return [...figure.querySelectorAll(".legend input:not(:checked)")].map((box) => labels[box.value]);
    }

    const width = () => Math.max(240, Math.floor(drawing.clientWidth));
    const isNarrow = () => drawing.clientWidth < 500;
    const names = original.data.find((data) => data.name === "ends").values.map((end) => end.text);
    const height = () =>
      isNarrow() ? Math.max(280, 12 * new Set(names).size + 60) : Math.max(400, 14 * new Set(names).size + 60);

    function draw() {
      const options = vega.expressionInterpreter ? {ast: true} : {};
      const runtime = vega.parse(specification(), config(), options);
      view?.finalize();
      view = new vega.View(runtime, {renderer: "svg", hover: true, expr: vega.expressionInterpreter});
      view.width(width()).height(height()).initialize(drawing).run();
      view.addSignalListener("reading", (name, x) => {
        if (typeof x !== "number") return setTimeout(move);
        slider.value = Math.round(inverse(x) * slider.max);
        setTimeout(() => write(x));
      });
      move();
    }

    /** Puts the reading line where the slider is. */
    function move() {
      view.signal("reading", amount(slider.value / slider.max)).runAsync();
    }

    /** Writes the values at the reading line beside the legend's names. */
    function write(x) {
      const number = (value) => Number(value.toPrecision(3)).toString();
      reading.textContent = `${number(x)} ${reading.dataset.unit}`;
      slider.setAttribute("aria-valuetext", reading.textContent);
      const rows = new Map(view.data("atReading").map((row) => [row.method, row]));
      for (const item of figure.querySelectorAll(".legend label")) {
        const row = rows.get(labels[item.querySelector("input").value]);
        item.querySelector("output").textContent =
          row && Number.isFinite(row.y) ? `${number(row.y)}${reading.dataset.measure}` : "";
      }
    }

    figure.querySelectorAll("[data-signal], [data-log]").forEach((control) =>
      control.addEventListener("change", draw));
    figure.querySelectorAll(".legend input").forEach((box) =>
      box.addEventListener("change", () =>
        view.signal("hidden", hidden()).runAsync().then(() => write(view.signal("reading")))));
    slider.addEventListener("input", move);
    figure.querySelector(".live").hidden = false;
    figure.querySelectorAll("details.values").forEach((table) => (table.open = false));
    draw();
    new ResizeObserver(() => {
      if (width() === view.width()) return;
      if (isNarrow() !== (view.signal("row") === 12)) draw();
      else view.width(width()).height(height()).runAsync();
    }).observe(drawing);
  }

  /** Paper has no triangles to click on. */
  function openForPrint() {
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      closed.forEach((details) => (details.open = true));
    });
    addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));
  }
})();
