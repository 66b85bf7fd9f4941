// The grids: how many cases, for how many households, how much more than before; numbers, tips, the one chosen.
(function () {
  "use strict";
  let shapes = [], told = {}, bounds = null, classes = null, paint = null;

  function measure() {
    const view = centre.view;
    if (view.theme !== "grids" || !centre.page.cases) return view.theme === "grids" ? "none" : "";
    if (view.choice === "none") return "none";
    return view.previous ? "previous" : view.rate || "count";
  }

  // {colour, text, pattern} of a grid in the measure of the view; no colour: not filled
  function look(grid) {
    const kind = measure(), row = told[grid.code];
    if (paint) return paint(grid);
    if (kind === "none") return { colour: grid.colour, text: grid.households === null ? "" : wangge.say("card.households_short", { count: wangge.number(grid.households) }) };
    if (!kind || !row || !classes) return { colour: "" };
    if (kind === "count") return { colour: row.cases ? classes.colours[centre.colours.rank(row.cases, classes.breaks)] : "#f6f3ec", text: centre.short(row.cases) };
    if (kind === "previous") {
      if (row.difference === null) return { colour: "", pattern: "hatch", text: "" };
      const mark = row.verdict === "more" ? " ▲" : row.verdict === "fewer" ? " ▼" : "";
      return { colour: centre.colours.change(row.difference, bounds), text: centre.signed(row.difference) + mark, strong: Boolean(mark) };
    }
    if (row.rate === null || row.rate_state === "hidden") return { colour: "", pattern: "hatch", text: wangge.say("centre.few_short") };
    return {
      colour: row.rate ? classes.colours[centre.colours.rank(row.rate, classes.breaks)] : "#f6f3ec",
      pattern: row.rate_state === "unstable" ? "dots" : "", text: centre.short(row.rate) + (row.rate_state === "unstable" ? " *" : "")
    };
  }

  function reckon() {
    const kind = measure(), rows = Object.values(told);
    classes = bounds = null;
    if (!kind || kind === "none" || !rows.length) return;
    if (kind === "previous") {
      bounds = centre.colours.arms(Math.max.apply(null, rows.map(function (row) { return Math.abs(row.difference || 0); })));
      classes = {};
      return;
    }
    const values = rows.map(function (row) { return kind === "count" ? row.cases : row.rate_state === "hidden" ? 0 : row.rate || 0; });
    const breaks = centre.colours.steps(Math.max.apply(null, values));
    // counts are whole: no class ends between two of them
    const whole = kind === "count" ? breaks.filter(function (bound) { return bound >= 1; }) : breaks;
    classes = { breaks: whole.length ? whole : [1], colours: centre.colours.ramp(centre.page.colours.cases, Math.max(1, whole.length)) };
  }

  function legend() {
    const kind = measure(), entries = [], say = wangge.say;
    if (kind === "none") {
      return { title: say("centre.legend_plain"), entries: [], notes: [say("legend.grids_note")] };
    }
    if (!classes) return { title: say("centre.legend_" + kind), entries: [], notes: [] };
    const few = centre.figures && centre.figures.few ? wangge.choose(centre.figures.few.words) : "";
    const notes = [];
    if (kind === "previous") {
      const colours = centre.page.colours.change;
      const sizes = [].concat(bounds.slice().reverse().map(function (bound) { return -bound; }), [0], bounds);
      void sizes;
      const label = function (from, to, sign) { return sign + from + (to === null ? "" : from === to ? "" : "–" + sign + to); };
      const arms = [];
      let from = 1;
      bounds.forEach(function (bound) { arms.push([from, bound]); from = bound + 1; });
      arms.push([from, null]);
      arms.slice().reverse().forEach(function (arm) {
        entries.push({ symbol: "fill", colour: centre.colours.change(arm[0], bounds), label: arm[1] === null ? say("centre.or_more", { value: "+" + arm[0] }) : label(arm[0], arm[1], "+") });
      });
      entries.push({ symbol: "fill", colour: colours[3], label: say("centre.no_change") });
      arms.forEach(function (arm) {
        entries.push({ symbol: "fill", colour: centre.colours.change(-arm[0], bounds), label: arm[1] === null ? say("centre.or_fewer", { value: "−" + arm[0] }) : label(arm[0], arm[1], "−") });
      });
      const spans = centre.figures;
      if (spans && spans.previous_span) notes.push(say("centre.previous_note", { begin: centre.clock(spans.previous_span.begin).date, end: centre.clock(spans.previous_span.end).date }));
      else entries.push({ symbol: "hatch", label: say("centre.no_previous") });
      notes.push(say("centre.verdict_note"));
    } else {
      let lower = 0;
      classes.breaks.forEach(function (upper, at) {
        const first = kind === "count" ? lower + 1 : lower;
        const text = kind === "count" && first === upper ? centre.short(upper) : centre.short(first) + "–" + centre.short(upper);
        entries.push({ symbol: "fill", colour: classes.colours[at], label: text });
        lower = upper;
      });
      if (kind !== "count") {
        const rate = centre.figures && centre.figures.rate;
        entries.push({ symbol: "dotted", colour: classes.colours[Math.min(1, classes.colours.length - 1)], label: say("centre.rate_unstable", { count: rate ? rate.cases_unstable_below : 20 }) });
        entries.push({ symbol: "hatch", label: say("centre.rate_hidden", { count: rate ? rate.cases_hidden_below : 10 }) });
        notes.push(say("centre.rate_note_" + kind));
      } else notes.push(say("centre.count_note"));
    }
    if (centre.figures && centre.figures.approximate) notes.push(say("centre.approximate"));
    return { title: say("centre.legend_" + kind), entries: entries, notes: notes, warning: few };
  }

  centre.part(function (map, page) {
    wangge.pane(map, "wg-grids", 306, true);
    wangge.pane(map, "wg-borders-casing", 428);
    wangge.pane(map, "wg-borders", 430);
    wangge.pane(map, "wg-chosen", 436);
    wangge.pane(map, "wg-numbers", 560);
    const chosen = L.polygon([], { pane: "wg-chosen", interactive: false, smoothFactor: 0, fill: false, color: "#17384a", weight: 5 }).addTo(map);
    const hover = L.polygon([], { pane: "wg-chosen", interactive: false, smoothFactor: 0, fill: false, color: "#17384a", weight: 3, dashArray: "6 4" }).addTo(map);
    const many = page.grids.length > 60;
    patterns(map);

    shapes = page.grids.map(function (grid) {
      const rings = centre.unpack(grid.rings);
      if (!many) L.polygon(rings, { pane: "wg-borders-casing", interactive: false, smoothFactor: 0, fill: false, color: "#ffffff", weight: 4.5, opacity: 0.9, lineJoin: "round" }).addTo(map);
      L.polygon(rings, { pane: "wg-borders", interactive: false, smoothFactor: 0, fill: false, color: "#34566a", weight: many ? 1 : 1.5, lineJoin: "round" }).addTo(map);
      const shape = L.polygon(rings, { pane: "wg-grids", smoothFactor: 0, stroke: false, fillColor: "#ffffff", fillOpacity: 0, className: "wg-grid" }).addTo(map);
      const path = shape.getElement();
      path.setAttribute("data-code", grid.code);
      const spots = L.polygon(rings, { pane: "wg-grids", interactive: false, smoothFactor: 0, stroke: false, fillColor: "url(#cc-dots)", fillOpacity: 1 });
      shape.bindTooltip(function () { return tip(grid); }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
      shape.on("mouseover", function () { hover.setLatLngs(rings); wangge.emit("hover-grid", grid.code); });
      shape.on("mouseout", function () { hover.setLatLngs([]); wangge.emit("hover-grid", ""); });
      shape.on("click", function () { centre.change({ grid: grid.code }); });
      const node = wangge.element("div", { class: "wg-number" }, wangge.element("b", {}, grid.label), wangge.element("small", {}));
      const number = L.marker(grid.centre, { pane: "wg-numbers", interactive: false, keyboard: false, icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] }) }).addTo(map);
      return { grid: grid, rings: rings, shape: shape, path: path, node: node, number: number, spots: spots };
    });

    function tip(grid) {
      const row = told[grid.code], lines = [], say = wangge.say;
      if (row) {
        lines.push(say(centre.figures.approximate ? "centre.tip_about" : "centre.tip_cases", { count: centre.short(row.cases) }));
        if (row.rate !== null && row.rate_state && row.rate_state !== "hidden") lines.push(say("centre.tip_rate_" + centre.figures.rate.per, { rate: centre.short(row.rate), base: wangge.number(row.denominator) }));
        else if (row.rate_state === "hidden") lines.push(say("centre.tip_rate_hidden"));
        if (row.difference !== null) lines.push(say("centre.tip_change", { change: centre.signed(row.difference) }) + say("centre.verdict_" + (row.verdict || "chance")));
      }
      const special = wangge.tips[theme_name()];
      if (special) { const text = special(grid); if (text) lines.unshift(text); }
      if (grid.head) lines.push(say("centre.tip_head", { name: grid.head }));
      const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, say("centre.grid_named", { name: centre.grid_name(grid) })));
      lines.forEach(function (line) { box.append(wangge.element("small", {}, line)); });
      return box;
    }

    function theme_name() { return centre.view.theme === "people" ? "group:" + centre.view.choice : centre.view.theme; }

    function fill() {
      reckon();
      shapes.forEach(function (entry) {
        const shown = look(entry.grid);
        entry.shown = shown;
        const hatched = shown.pattern === "hatch";
        entry.shape.setStyle({ fillColor: hatched ? "url(#cc-hatch)" : shown.colour || "#ffffff", fillOpacity: hatched || shown.colour ? 0.92 : 0 });
        if (shown.pattern === "dots") entry.spots.addTo(map); else entry.spots.remove();
      });
      words();
    }

    // Numbers where there is room, the widest grids first; below it the figure, where that fits too.
    function words() {
      const scale = wangge.metres_per_pixel(map), big = centre.view.wall ? 1.5 : 1, taken = [];
      const blocked = [];
      wangge.obstacles.forEach(function (list) { if (list !== own) blocked.push.apply(blocked, list(map)); });
      const hit = function (a, b) { return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]; };
      shapes.slice().sort(function (a, b) { return b.grid.radius - a.grid.radius; }).forEach(function (entry) {
        const radius = entry.grid.radius / scale, text = entry.shown ? entry.shown.text || "" : "";
        const wanted = Boolean(text) && radius > 15 * big;
        const home = map.latLngToLayerPoint(entry.grid.centre);
        const half = [big * Math.max(17, wanted ? text.length * 5 : 0), big * (wanted ? 21 : 12)];
        let at = null;
        for (let ring = 0; ring < 3 && !at; ring++) {
          for (let turn = 0; turn < (ring ? 8 : 1) && !at; turn++) {
            const away = ring * radius * 0.3;
            const tried = L.point(home.x + away * Math.cos(turn * Math.PI / 4), home.y + away * Math.sin(turn * Math.PI / 4));
            const box = [tried.x - half[0], tried.y - half[1], tried.x + half[0], tried.y + half[1]];
            if (!taken.some(function (other) { return hit(box, other); }) && (ring === 2 || !blocked.some(function (other) { return hit(box, other); }))) at = tried;
            if (at) taken.push(box);
          }
        }
        entry.box = at ? taken[taken.length - 1] : null;
        entry.node.hidden = !at || radius < 9;
        if (entry.node.hidden) { entry.box = null; return; }
        entry.number.setLatLng(map.layerPointToLatLng(at));
        entry.node.className = "wg-number" + (radius < 20 ? " wg-small" : "") + (entry.shown && entry.shown.strong ? " cc-strong" : "");
        entry.node.lastChild.textContent = wanted ? text : "";
      });
      wangge.emit("numbers", shapes.map(function (entry) { return { label: entry.grid.label, code: entry.grid.code, at: entry.number.getLatLng() }; }));
    }

    function own() { return shapes.map(function (entry) { return entry.box; }).filter(Boolean); }
    wangge.obstacles.push(own);

    function choose(bring) {
      const entry = shapes.find(function (one) { return one.grid.code === centre.view.grid; });
      chosen.setLatLngs(entry ? entry.rings : []);
      if (entry && bring) centre.bring(L.polygon(entry.rings).getBounds());
    }

    // Move the map only as far as needed for a box to show between the panels.
    centre.bring = function (box) {
      const room = centre.room(), size = map.getSize();
      const north_west = map.latLngToContainerPoint(box.getNorthWest()), south_east = map.latLngToContainerPoint(box.getSouthEast());
      const sheet = centre.narrow() && document.querySelector(".cc-panel.cc-open");
      const free = [room.paddingTopLeft[0], room.paddingTopLeft[1], size.x - room.paddingBottomRight[0], sheet ? sheet.getBoundingClientRect().top - 12 : size.y - room.paddingBottomRight[1]];
      const shift = function (from, to, least, most) {
        if (to - from > most - least) return (from + to) / 2 - (least + most) / 2;
        return from < least ? from - least : to > most ? to - most : 0;
      };
      const by = [shift(north_west.x, south_east.x, free[0], free[2]), shift(north_west.y, south_east.y, free[1], free[3])];
      if (Math.abs(by[0]) > 1 || Math.abs(by[1]) > 1) map.panBy(by, { animate: !centre.calm() });
    };

    // A theme of its own may paint the grids: `how` gives {colour, text, pattern} of a grid, null ends it.
    centre.paint_grids = function (how) { paint = how; fill(); };
    centre.point_at_grid = function (code) {
      const entry = shapes.find(function (one) { return one.grid.code === code; });
      hover.setLatLngs(entry ? entry.rings : []);
    };
    centre.fly_to_grid = function (code) {
      const entry = shapes.find(function (one) { return one.grid.code === code; });
      if (entry) centre.bring(L.polygon(entry.rings).getBounds());
    };

    centre.themes.grids = { show: fill, hide: function () { fill(); }, legend: legend };
    wangge.on("figures", function (figures) {
      told = {};
      figures.by_grid.forEach(function (row) { told[row.grid] = row; });
      fill();
    });
    wangge.on("view", function (names) {
      if (names.has("grid")) choose(true);
      if (["theme", "choice", "wall"].some(function (name) { return names.has(name); })) fill();
    });
    wangge.on("language", fill);
    wangge.on("kind", words);
    wangge.on("started", function () { fill(); choose(false); });
    map.on("zoomend", words);

    // rates, and the difference to before, are questions to the server; the four colours are not
    const inputs = document.querySelectorAll("input[name=cc-measure]");
    const mark = function () { inputs.forEach(function (input) { input.checked = input.value === (measure() || "count"); }); };
    inputs.forEach(function (input) {
      input.addEventListener("change", function () {
        centre.change({
          choice: input.value === "none" ? "none" : "", previous: input.value === "previous",
          rate: ["households", "residents"].indexOf(input.value) >= 0 ? input.value : ""
        });
      });
    });
    wangge.on("view", mark);
    wangge.on("started", mark);
  });

  function patterns(map) {
    const renderer = map.getRenderer(L.polygon([], { pane: "wg-grids" }));
    renderer.addTo(map);
    renderer._container.prepend(wangge.svg("defs", {},
      wangge.svg("pattern", { id: "cc-hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        wangge.svg("rect", { width: 9, height: 9, fill: "#f4f2ee" }), wangge.svg("rect", { width: 2.4, height: 9, fill: "#b4b0a8" })),
      wangge.svg("pattern", { id: "cc-dots", width: 11, height: 11, patternUnits: "userSpaceOnUse" },
        wangge.svg("circle", { cx: 3, cy: 3, r: 1.4, fill: "#17303d", "fill-opacity": 0.55 }), wangge.svg("circle", { cx: 8.5, cy: 8.5, r: 1.4, fill: "#17303d", "fill-opacity": 0.55 }))));
  }
})();
