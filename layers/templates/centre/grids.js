// The grids: how many cases, for how many households, how much more than before; numbers, tips, the one chosen.
(function () {
  "use strict";
  let shapes = [], told = {}, paint = null;

  function measure() {
    const view = centre.view;
    if (view.theme !== "grids" || !centre.page.cases) return view.theme === "grids" ? "none" : "";
    if (view.choice === "none") return "none";
    return view.previous ? view.rate ? "previous_" + view.rate : "previous" : view.rate || "count";
  }

  function rate() { return centre.view.rate; }

  // What is told of each grid, by its code: of those that count together the same
  centre.rows_by_grid = function () {
    const found = {};
    if (centre.figures) centre.figures.by_grid.forEach(function (row) { row.grids.forEach(function (code) { found[code] = row; }); });
    return found;
  };
  // Whether no rise or fall is told because of places that a redraw left across borders
  centre.uncertain = function (row) { return row.verdict === "withheld" && row.crossing > 0 && !centre.figures.silence; };

  // The classes of a measure, fixed once for all: layers/choropleth.py
  function classes() { return centre.page.classes[measure()] || null; }

  // {value, state, text} of a grid in the measure of the view; {colour}: just that; nothing: not filled
  function look(grid) {
    if (paint) return paint(grid) || {};
    const kind = measure(), row = told[grid.code];
    if (kind === "none") return { colour: grid.colour, text: grid.households === null ? "" : wangge.say("card.households_short", { count: wangge.number(grid.households) }) };
    if (!kind || !row) return {};
    if (kind === "count") return { value: row.cases, text: centre.short(row.cases) };
    if (kind.indexOf("previous") === 0) {
      if (rate() && row.rate_state === "hidden") return { state: "few" };
      const difference = rate() ? row.rate_difference : row.difference;
      if (difference === null) return { state: "none" };
      const mark = row.verdict === "more" ? " ▲" : row.verdict === "fewer" ? " ▼" : "";
      return { value: difference, text: centre.signed(difference) + mark, strong: Boolean(mark) };
    }
    if (row.rate_state === "hidden") return { state: "few" };
    if (row.rate === null) return { state: "none" };
    return { value: row.rate, state: row.rate_state === "unstable" ? "unstable" : "", text: centre.short(row.rate) };
  }

  function legend() {
    const kind = measure(), say = wangge.say, notes = [];
    if (kind === "none") return { title: say("centre.legend_plain"), notes: [say("legend.grids_note")] };
    const figures = centre.figures, title = say("centre.legend_" + (kind || "count"));
    if (!figures) return { title: title, notes: [] };
    const states = new Set(centre.page.grids.map(function (grid) { return look(grid).state; }).filter(Boolean));
    if (kind.indexOf("previous") === 0) {
      if (rate()) notes.push(say("centre.rate_note_" + rate(), { hidden: figures.rate ? figures.rate.cases_hidden_below : 10, unstable: figures.rate ? figures.rate.cases_unstable_below : 20 }));
      if (figures.previous_span) notes.push(say("centre.previous_note", { begin: centre.clock(figures.previous_span.begin).date, end: centre.ending_day(centre.period(figures.previous_span.datetime)) }));
      else notes.push(say("centre.no_previous"));
      notes.push(figures.silence ? wangge.choose(figures.silence.words) + say("centre.verdict_withheld") : say("centre.verdict_note"));
    } else if (kind === "count") notes.push(say("centre.count_note"));
    else notes.push(say("centre.rate_note_" + kind, { hidden: figures.rate ? figures.rate.cases_hidden_below : 10, unstable: figures.rate ? figures.rate.cases_unstable_below : 20 }));
    const joined = figures.by_grid.filter(function (row) { return row.grids.length > 1; });
    if (joined.length) notes.push(say("centre.together_note", { names: joined.map(function (row) { return row.label; }).join("; ") }));
    if (figures.elsewhere) notes.push(say("centre.elsewhere", { count: wangge.number(figures.elsewhere) }));
    return { title: title, spec: classes(), states: Array.from(states), notes: notes, key: figures.approximate ? say("centre.approximate") : "", warning: figures.few ? wangge.choose(figures.few.words) : "" };
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
    const renderer = map.getRenderer(L.polygon([], { pane: "wg-grids" }));
    renderer.addTo(map);
    const leads = wangge.svg("svg", { class: "wg-names", width: 1, height: 1 });
    map.getPane("wg-numbers").append(leads);

    shapes = page.grids.map(function (grid) {
      const rings = centre.unpack(grid.rings);
      if (!many) L.polygon(rings, { pane: "wg-borders-casing", interactive: false, smoothFactor: 0, fill: false, color: "#ffffff", weight: 4.5, opacity: 0.9, lineJoin: "round" }).addTo(map);
      L.polygon(rings, { pane: "wg-borders", interactive: false, smoothFactor: 0, fill: false, color: "#34566a", weight: many ? 1 : 1.5, lineJoin: "round" }).addTo(map);
      const shape = L.polygon(rings, { pane: "wg-grids", smoothFactor: 0, stroke: false, fillColor: "#ffffff", fillOpacity: 0, className: "wg-grid" }).addTo(map);
      const path = shape.getElement();
      path.setAttribute("data-code", grid.code);
      shape.bindTooltip(function () { return tip(grid); }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
      shape.on("mouseover", function () { hover.setLatLngs(rings); wangge.emit("hover-grid", grid.code); });
      shape.on("mouseout", function () { hover.setLatLngs([]); wangge.emit("hover-grid", ""); });
      shape.on("click", function () { centre.change({ grid: grid.code }); });
      const node = wangge.element("div", { class: "wg-number" }, wangge.element("b", {}, grid.label), wangge.element("small", {}));
      const number = L.marker(grid.centre, { pane: "wg-numbers", interactive: false, keyboard: false, icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] }) }).addTo(map);
      return { grid: grid, rings: rings, shape: shape, path: path, node: node, number: number };
    });

    function tip(grid) {
      const row = told[grid.code], lines = [], say = wangge.say;
      if (row) {
        if (row.grids.length > 1) lines.push(say("centre.tip_together", { names: row.label, count: centre.short(row.cases) }));
        else lines.push(say(row.crossing ? "centre.tip_about" : "centre.tip_cases", { count: centre.short(row.cases) }));
        if (row.rate !== null && row.rate_state && row.rate_state !== "hidden") lines.push(say("centre.tip_rate_" + centre.figures.rate.per, { rate: centre.short(row.rate), base: wangge.number(row.denominator) }));
        else if (row.rate_state === "hidden") lines.push(say("centre.tip_rate_hidden"));
        if (row.difference !== null) lines.push(say("centre.tip_change", { change: centre.signed(row.difference) }) + say("centre.verdict_" + (row.verdict || "chance")));
        if (centre.uncertain(row)) lines.push(say("centre.crossing_note"));
      }
      const special = wangge.tips[centre.theme_name()];
      if (special) { const text = special(grid); if (text) lines.unshift(text); }
      if (grid.head) lines.push(say("centre.tip_head", { name: grid.head }));
      const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, say("centre.grid_named", { name: centre.grid_name(grid) })));
      lines.forEach(function (line) { box.append(wangge.element("small", {}, line)); });
      return box;
    }

    function fill() {
      const spec = paint ? null : classes();
      shapes.forEach(function (entry) {
        const shown = entry.shown = look(entry.grid);
        let colour = shown.colour || "";
        if (!colour && spec && (shown.value !== undefined || shown.state)) {
          colour = wangge.choropleth.paint(renderer._container, spec, wangge.choropleth.fill(spec, shown.value === undefined ? null : shown.value, shown.state));
        }
        entry.shape.setStyle({ fillColor: colour || "#ffffff", fillOpacity: colour ? 0.9 : 0 });
      });
      words();
    }

    // Numbers, and the figure below them where it fits; the chosen grid first, then the widest.
    function words() {
      const scale = wangge.metres_per_pixel(map), big = centre.big() ? 1.45 : 1, blocked = [];
      wangge.obstacles.forEach(function (list) { if (list !== own) blocked.push.apply(blocked, list(map)); });
      const labels = shapes.map(function (entry) {
        const radius = entry.grid.radius / scale, at = map.latLngToLayerPoint(entry.grid.centre);
        const text = entry.shown && radius > 16 * big ? entry.shown.text || "" : "";
        const long = Array.from(text).reduce(function (sum, letter) { return sum + (letter > "\u2e7f" ? 12 : 7.2); }, 0);
        entry.words = text;
        const small = radius < 20 * big;
        return { x: at.x, y: at.y, radius: radius, width: big * Math.max(small ? 24 : 34, long), height: big * (text ? 38 : small ? 16 : 23), priority: entry.grid.code === centre.view.grid ? 2 : 0 };
      });
      const room = centre.room(), size = map.getSize();
      const first = map.containerPointToLayerPoint(room.paddingTopLeft), last = map.containerPointToLayerPoint([size.x - room.paddingBottomRight[0], size.y - room.paddingBottomRight[1]]);
      const placed = wangge.place_labels(labels, blocked, [first.x, first.y, last.x, last.y]);
      leads.replaceChildren();
      shapes.forEach(function (entry, n) {
        const at = placed[n], label = labels[n];
        entry.box = at ? [at.x - label.width / 2, at.y - label.height / 2, at.x + label.width / 2, at.y + label.height / 2] : null;
        entry.node.hidden = !at;
        if (!at) return;
        entry.number.setLatLng(map.layerPointToLatLng([at.x, at.y]));
        entry.node.className = "wg-number" + (label.radius < 20 * big ? " wg-small" : "") + (entry.shown && entry.shown.strong ? " cc-strong" : "");
        entry.node.lastChild.textContent = entry.words;
        if (at.line) leads.append(wangge.svg("path", { d: "M" + at.line[0] + " " + at.line[1] + "L" + at.line[2] + " " + at.line[3], class: "cc-lead" }));
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
      const free = [room.paddingTopLeft[0], room.paddingTopLeft[1], size.x - room.paddingBottomRight[0], size.y - room.paddingBottomRight[1]];
      if (sheet && centre.sideways()) free[2] = sheet.getBoundingClientRect().left - 12;
      else if (sheet) free[3] = sheet.getBoundingClientRect().top - 12;
      const shift = function (from, to, least, most) {
        if (to - from > most - least) return (from + to) / 2 - (least + most) / 2;
        return from < least ? from - least : to > most ? to - most : 0;
      };
      const by = [shift(north_west.x, south_east.x, free[0], free[2]), shift(north_west.y, south_east.y, free[1], free[3])];
      if (Math.abs(by[0]) > 1 || Math.abs(by[1]) > 1) map.panBy(by, { animate: !centre.calm() });
    };

    // A theme of its own may paint the grids: `how` gives {colour, text} of a grid, null ends it.
    centre.paint_grids = function (how) { paint = how; fill(); };
    centre.point_at_grid = function (code) {
      const entry = shapes.find(function (one) { return one.grid.code === code; });
      hover.setLatLngs(entry ? entry.rings : []);
    };
    centre.grid_at = function (at) {
      const entry = shapes.find(function (one) { return inside(one.rings, at); });
      return entry ? entry.grid.code : "";
    };
    // a point in polygons, by the even-odd rule over all rings
    function inside(polygons, at) {
      let odd = false;
      polygons.forEach(function (rings) {
        rings.forEach(function (ring) {
          for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
            const a = ring[i], b = ring[j];
            if ((a[0] > at.lat) !== (b[0] > at.lat) && at.lng < (b[1] - a[1]) * (at.lat - a[0]) / (b[0] - a[0]) + a[1]) odd = !odd;
          }
        });
      });
      return odd;
    }
    centre.fly_to_grid = function (code) {
      const entry = shapes.find(function (one) { return one.grid.code === code; });
      if (entry) centre.bring(L.polygon(entry.rings).getBounds());
    };

    centre.themes.grids = { show: fill, hide: function () { fill(); }, legend: legend, page: "centre" };
    wangge.on("figures", function (figures) {
      told = {};
      told = centre.rows_by_grid();
      fill();
      centre.draw_legend();  // it names the patterns that are there
    });
    wangge.on("view", function (names) {
      if (names.has("grid")) choose(true);
      if (["theme", "choice", "wall"].some(function (name) { return names.has(name); })) fill();
    });
    wangge.on("language", fill);
    wangge.on("kind", words);
    wangge.on("theme", words);
    wangge.on("started", function () { fill(); choose(false); });
    // after `zoomend`, at which icons step aside for each other; and where the map only moved, since no label
    // stands across the edge of what is seen
    map.on("moveend", words);

    // rates, and the difference to before, are questions to the server; the four colours are not
    const inputs = document.querySelectorAll("input[name=cc-measure]");
    const mark = function () { inputs.forEach(function (input) { input.checked = input.value === (measure() || "count").replace(/^previous_.*/, "previous"); }); };
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
})();
