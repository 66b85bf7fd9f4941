// The grids: fills beneath buildings and streets, borders above them, numbers, hover, and the card.
(function () {
  "use strict";

  wangge.drawers.grid_map = function (map, data) {
    wangge.pane(map, "wg-grids", 306, true);
    wangge.pane(map, "wg-borders-casing", 428);
    wangge.pane(map, "wg-borders", 430);
    wangge.pane(map, "wg-chosen", 436);
    wangge.pane(map, "wg-leaders", 558);
    wangge.pane(map, "wg-numbers", 560);
    var card = document.getElementById("wg-card");
    var theme = "grids";
    var chosen = null;
    var shapes = [];
    var outline = L.polygon([], { pane: "wg-chosen", interactive: false, smoothFactor: 0, fill: false, color: "#c8452d", weight: 4 }).addTo(map);
    var leaders = L.polyline([], { pane: "wg-leaders", interactive: false, smoothFactor: 0, color: "#17303d", weight: 1.2 }).addTo(map);
    var dots = L.layerGroup().addTo(map);
    var hover = L.polygon([], { pane: "wg-chosen", interactive: false, smoothFactor: 0, fill: false, color: "#c8452d", weight: 2.5, opacity: 0.75 }).addTo(map);

    data.grids.forEach(function (grid) {
      L.polygon(grid.rings, { pane: "wg-borders-casing", interactive: false, smoothFactor: 0, fill: false, color: "#ffffff", weight: 5, opacity: 0.95, lineJoin: "round" }).addTo(map);
      L.polygon(grid.rings, { pane: "wg-borders", interactive: false, smoothFactor: 0, fill: false, color: "#34566a", weight: 1.6, lineJoin: "round" }).addTo(map);
      var shape = L.polygon(grid.rings, { pane: "wg-grids", smoothFactor: 0, stroke: false, fillColor: grid.colour, className: "wg-grid" }).addTo(map);
      var path = shape.getElement();
      path.setAttribute("tabindex", "0");
      path.setAttribute("role", "button");
      path.setAttribute("data-code", grid.code);
      shape.bindTooltip(function () {
        var text = wangge.tips[theme] ? wangge.tips[theme](grid) : "";
        var households = wangge.say("card.households_short", { count: wangge.number(grid.figures.households) });
        return wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, grid.label), wangge.element("small", {}, text || households));
      }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
      shape.on("mouseover", function () { hover.setLatLngs(grid.rings); });
      shape.on("mouseout", function () { hover.setLatLngs([]); });
      shape.on("click", function () { open(grid, false); });
      path.addEventListener("focus", function () { if (path.matches(":focus-visible")) hover.setLatLngs(grid.rings); });
      path.addEventListener("blur", function () { hover.setLatLngs([]); });
      path.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(grid, true); }
      });
      var node = wangge.element("div", { class: "wg-number" }, wangge.element("b", {}, grid.label), wangge.element("small", {}));
      var number = L.marker(grid.centre, {
        pane: "wg-numbers", interactive: false, keyboard: false,
        icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] })
      }).addTo(map);
      shapes.push({ grid: grid, shape: shape, path: path, node: node, number: number });
    });

    function fills() {
      shapes.forEach(function (entry) { entry.shape.setStyle({ fillOpacity: theme === "grids" ? 0.62 : 0.0 }); });
    }

    // Numbers, with households below them where there is room for both; the chosen grid's first of all.
    function words() {
      var scale = wangge.metres_per_pixel(map);
      var below = theme.indexOf("group:") === 0 ? 20 : 0;  // a band hangs there
      var taken = [];
      wangge.obstacles.forEach(function (list) { if (list !== own) taken = taken.concat(list(map)); });
      var labels = shapes.map(function (entry) {
        var radius = entry.grid.radius / scale, at = map.latLngToLayerPoint(entry.grid.centre);
        entry.spacious = radius > 40 && entry.grid.figures.households !== null && theme === "grids";
        entry.small = radius < 20;
        return { x: at.x, y: at.y, radius: radius, priority: entry.grid === chosen ? 1 : 0 };
      });
      function sized() {
        shapes.forEach(function (entry, n) {
          labels[n].width = entry.spacious ? 64 : below ? 56 : entry.small ? 28 : 38;
          labels[n].height = (entry.spacious ? 41 : entry.small ? 17 : 25) + below;
        });
        return wangge.place_labels(labels, taken);
      }
      var placed = sized();
      var cramped = false;
      placed.forEach(function (at, n) {
        if (shapes[n].spacious && (!at || at.line)) { shapes[n].spacious = false; cramped = true; }
      });
      if (cramped) placed = sized();
      var lines = [], ends = [];
      shapes.forEach(function (entry, n) {
        var at = placed[n], households = entry.grid.figures.households;
        entry.node.hidden = !at;
        entry.box = at ? [at.x - labels[n].width / 2, at.y - labels[n].height / 2, at.x + labels[n].width / 2, at.y + labels[n].height / 2] : null;
        entry.node.className = "wg-number" + (entry.small ? " wg-small" : "");
        entry.node.lastChild.textContent = entry.spacious ? wangge.say("card.households_short", { count: wangge.number(households) }) : "";
        entry.path.setAttribute("aria-label", wangge.say("card.select", { label: entry.grid.label, count: wangge.number(households) }));
        if (!at) return;
        entry.number.setLatLng(map.layerPointToLatLng([at.x, at.y - below / 2]));
        if (at.line) {
          lines.push([map.layerPointToLatLng(at.line.slice(0, 2)), map.layerPointToLatLng(at.line.slice(2))]);
          ends.push(lines[lines.length - 1][0]);
        }
      });
      leaders.setLatLngs(lines);
      dots.clearLayers();
      ends.forEach(function (end) { L.circleMarker(end, { pane: "wg-leaders", interactive: false, radius: 2, weight: 0, fillColor: "#17303d", fillOpacity: 1 }).addTo(dots); });
      wangge.emit("numbers", shapes.map(function (entry) {
        return { label: entry.grid.label, code: entry.grid.code, at: entry.number.getLatLng() };
      }));
    }

    function own() { return shapes.map(function (entry) { return entry.box; }).filter(Boolean); }
    wangge.obstacles.push(own);

    // Move the map only as far as needed for the whole grid to show between the panels.
    function bring(grid) {
      var box = L.polygon(grid.rings).getBounds();
      var one = map.latLngToContainerPoint(box.getNorthWest()), other = map.latLngToContainerPoint(box.getSouthEast());
      var wide = window.innerWidth > 760, window_size = map.getSize();
      var free = wide
        ? [304, 88, window_size.x - 360, window_size.y - 16]
        : [12, 112, window_size.x - 12, card.getBoundingClientRect().top - 12];
      function shift(from, to, least, most) {
        if (to - from > most - least) return (from + to) / 2 - (least + most) / 2;
        return from < least ? from - least : to > most ? to - most : 0;
      }
      var by = [shift(one.x, other.x, free[0], free[2]), shift(one.y, other.y, free[1], free[3])];
      if (by[0] || by[1]) map.panBy(by, { animate: !window.matchMedia("(prefers-reduced-motion: reduce)").matches });
    }

    function write(grid) { wangge.write_card(card, grid, { colour: grid.colour, close: shut }); }

    function open(grid, by_key) {
      chosen = grid;
      outline.setLatLngs(grid.rings);
      write(grid);
      words();
      card.hidden = false;
      card.scrollTop = 0;
      bring(grid);
      wangge.emit("sheet", "card");
      if (by_key) card.querySelector("h2").focus();
      wangge.emit("grid", grid.code);
    }

    function shut() {
      if (!chosen) return;
      var within = card.contains(document.activeElement);
      var last = chosen;
      chosen = null;
      outline.setLatLngs([]);
      card.hidden = true;
      if (within) shapes.forEach(function (entry) { if (entry.grid === last) entry.path.focus(); });
    }

    wangge.on("escape", shut);
    wangge.on("sheet", function (which) { if (which === "layers" && window.innerWidth <= 760) shut(); });
    wangge.on("theme", function (name) { theme = name; fills(); words(); wangge.emit("labels"); });
    wangge.on("kind", words);
    wangge.on("language", function () { words(); if (chosen) write(chosen); });
    map.on("zoomend", function () { words(); wangge.emit("labels"); });  // names keep clear of numbers
    fills();
    words();
  };
})();
