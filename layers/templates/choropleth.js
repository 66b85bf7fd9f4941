// Areas coloured by a figure: classes, patterns and legend by the specification of layers/choropleth.py.
(function () {
  "use strict";
  var PATTERNS = ["unstable", "few", "withheld", "none"];

  // how many steps of an ascending ladder are at or below the value
  function steps(ladder, value) {
    var count = 0;
    while (count < ladder.length && ladder[count] <= value) count++;
    return count;
  }

  function place(spec, value) {
    if (!spec.change) return steps(spec.ladder, value);
    var away = steps(spec.ladder, Math.abs(value));
    return spec.ladder.length + (value > 0 ? away : -away);
  }

  // value and state → {place, colour, pattern}; as `fill` in Python
  function fill(spec, value, state) {
    if (state === "few" || state === "withheld" || state === "none") {
      return { place: null, colour: spec.no_figure.ground, pattern: state };
    }
    if (value === null || value === undefined || Number.isNaN(value)) {
      return { place: null, colour: spec.no_figure.ground, pattern: "none" };
    }
    var at = place(spec, value);
    return { place: at, colour: spec.colours[at], pattern: state === "unstable" ? "unstable" : "" };
  }

  function lines(pattern, colour, ink) {
    var size = pattern === "few" ? 6 : 9;
    var made = [wangge.svg("rect", { width: size, height: size, fill: colour })];
    if (pattern === "none") made.push(wangge.svg("circle", { cx: size / 2, cy: size / 2, r: 1.1, fill: ink }));
    else made.push(wangge.svg("rect", { width: pattern === "unstable" ? 1.2 : pattern === "few" ? 1 : 2.2, height: size, fill: ink }));
    return { size: size, nodes: made, turn: pattern === "few" ? -45 : 45 };
  }

  // What `fill-color` of a shape is to be: a colour, or a pattern that is put into `root` (an SVG element) once.
  function paint(root, spec, filled) {
    if (!filled.pattern) return filled.colour;
    var id = "wg-" + filled.pattern + "-" + filled.colour.slice(1);
    var document_of = root.ownerDocument || document;
    if (!document_of.getElementById(id)) {
      var ink = filled.pattern === "unstable" ? "#ffffff" : spec.no_figure.hatch;
      var drawn = lines(filled.pattern, filled.colour, ink);
      var pattern = wangge.svg("pattern", { id: id, width: drawn.size, height: drawn.size, patternUnits: "userSpaceOnUse", patternTransform: "rotate(" + drawn.turn + ")" });
      drawn.nodes.forEach(function (node) { pattern.append(node); });
      var defs = root.querySelector("defs.wg-patterns");
      if (!defs) { defs = wangge.svg("defs", { class: "wg-patterns" }); root.prepend(defs); }
      defs.append(pattern);
    }
    return "url(#" + id + ")";
  }

  // The legend's entries as list items, in the page's language: one a class, then the states that are shown.
  function legend(list, spec, states) {
    function entry(colour, label) {
      var swatch = wangge.svg("svg", { class: "wg-swatch", width: 28, height: 14, viewBox: "0 0 28 14", "aria-hidden": "true" });
      swatch.append(wangge.svg("rect", { x: 0.5, y: 0.5, width: 27, height: 13, rx: 2, stroke: "#a9a69f", fill: typeof colour === "string" ? colour : paint(swatch, spec, colour) }));
      list.append(wangge.element("li", {}, swatch, wangge.element("span", {}, label)));
    }
    list.replaceChildren();
    spec.colours.forEach(function (colour, n) { entry(colour, wangge.choose(spec.labels[n])); });
    PATTERNS.forEach(function (state) {
      if (states.indexOf(state) < 0) return;
      var colour = state === "unstable" ? spec.colours[Math.min(2, spec.colours.length - 1)] : spec.no_figure.ground;
      entry({ pattern: state, colour: colour }, wangge.choose(spec.states[state]));
    });
  }

  wangge.choropleth = { fill: fill, paint: paint, legend: legend };
})();
