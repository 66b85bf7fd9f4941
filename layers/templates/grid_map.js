// The grids: fills beneath buildings and streets, borders above them, numbers, hover, and the card.
(function () {
  "use strict";

  wangge.drawers.grid_map = function (map, data) {
    wangge.pane(map, "wg-grids", 306, true);
    wangge.pane(map, "wg-borders-casing", 428);
    wangge.pane(map, "wg-borders", 430);
    wangge.pane(map, "wg-chosen", 436);
    wangge.pane(map, "wg-numbers", 560);
    var card = document.getElementById("wg-card");
    var theme = "grids";
    var chosen = null;
    var shapes = [];
    var outline = L.polygon([], { pane: "wg-chosen", interactive: false, smoothFactor: 0, fill: false, color: "#c8452d", weight: 4 }).addTo(map);
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

    function words() {
      var scale = wangge.metres_per_pixel(map);
      var taken = [];
      wangge.obstacles.forEach(function (list) { if (list !== own) taken = taken.concat(list(map)); });
      shapes.forEach(function (entry) {
        var radius = entry.grid.radius / scale;
        set(entry, radius, taken);
        var households = entry.grid.figures.households;
        entry.node.className = "wg-number" + (radius < 20 ? " wg-small" : "");
        var spacious = radius > 40 && households !== null && theme === "grids";
        entry.node.lastChild.textContent = spacious ? wangge.say("card.households_short", { count: wangge.number(households) }) : "";
        entry.path.setAttribute("aria-label", wangge.say("card.select", { label: entry.grid.label, count: wangge.number(households) }));
      });
      wangge.emit("numbers", shapes.map(function (entry) {
        return { label: entry.grid.label, code: entry.grid.code, at: entry.number.getLatLng() };
      }));
    }

    // The number sits where the grid is widest; where an icon stands there, as near as it can and still inside.
    function set(entry, radius, taken) {
      var centre = map.latLngToLayerPoint(entry.grid.centre);
      entry.at = centre;
      for (var ring = 0; ring < 4; ring++) {
        for (var turn = 0; turn < (ring ? 12 : 1); turn++) {
          var away = ring * radius * 0.28;
          var at = L.point(centre.x + away * Math.cos(turn * Math.PI / 6), centre.y + away * Math.sin(turn * Math.PI / 6));
          var box = [at.x - 18, at.y - 12, at.x + 18, at.y + (theme === "grids" ? 12 : 30)];
          var free = !taken.some(function (other) { return box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]; });
          if (free) {
            entry.at = at;
            entry.number.setLatLng(map.layerPointToLatLng(at));
            return;
          }
        }
      }
      entry.number.setLatLng(entry.grid.centre);
    }

    function own() {
      var scale = wangge.metres_per_pixel(map);
      return shapes.map(function (entry) {
        var at = entry.at || map.latLngToLayerPoint(entry.grid.centre);
        var tall = entry.grid.radius / scale > 40 || theme !== "grids" ? 24 : 14;
        var half = theme.indexOf("group:") === 0 ? 46 : 28;
        return [at.x - half, at.y - tall, at.x + half, at.y + tall + (half > 28 ? 8 : 0)];
      });
    }
    wangge.obstacles.push(own);

    function row(label, value, more) {
      return wangge.element("div", {}, wangge.element("dt", {}, label), wangge.element("dd", {}, value, more ? wangge.element("small", {}, more) : null));
    }

    function section(title) {
      return wangge.element("section", { class: "wg-card-section" }, wangge.element("h3", {}, title));
    }

    // households against the profile's range, on a scale that ends a fifth beyond the upper bound or the value
    function gauge(households) {
      var lower = data.range[0], upper = data.range[1];
      var end = Math.max(upper * 1.25, households * 1.1);
      var state = households < lower ? "below_range" : households > upper ? "above_range" : "in_range";
      var drawing = wangge.svg("svg", { class: "wg-gauge wg-" + state, viewBox: "0 0 280 18", preserveAspectRatio: "none", "aria-hidden": "true" },
        wangge.svg("rect", { x: 0, y: 7, width: 280, height: 4, rx: 2, class: "wg-gauge-all" }),
        wangge.svg("rect", { x: 280 * lower / end, y: 7, width: 280 * (upper - lower) / end, height: 4, class: "wg-gauge-range" }),
        wangge.svg("rect", { x: Math.max(0, 280 * households / end - 2), y: 2, width: 4, height: 14, rx: 2, class: "wg-gauge-value" }));
      var words = wangge.say("card." + state, { lower: wangge.number(lower), upper: wangge.number(upper) });
      return wangge.element("div", { class: "wg-gauge-box" }, drawing, wangge.element("p", { class: "wg-note" }, words));
    }

    function write(grid) {
      var figures = grid.figures;
      var close = wangge.element("button", { type: "button", class: "wg-close", "aria-label": wangge.say("card.close"), title: wangge.say("card.close") }, "×");
      close.addEventListener("click", shut);
      var head = wangge.element("header", {},
        wangge.element("p", { class: "wg-eyebrow" }, wangge.say("card.grid")),
        wangge.element("h2", { tabindex: "-1" }, grid.label),
        wangge.element("p", { class: "wg-code" }, grid.code), close);
      head.style.setProperty("--wg-grid", grid.colour);
      var list = wangge.element("dl", { class: "wg-card-figures" },
        row(wangge.say("card.households"), wangge.number(figures.households)),
        row(wangge.say("card.residents"), wangge.number(figures.residents)),
        row(wangge.say("card.buildings"), wangge.number(figures.buildings),
          figures.buildings_unknown ? wangge.say("card.unknown_buildings", { count: figures.buildings_unknown }) : null),
        row(wangge.say("card.area"), figures.area_m2 === null ? wangge.say("card.not_known") : (figures.area_m2 / 10000).toFixed(2)));
      card.replaceChildren(head, list);
      if (data.range && grid.ranged && figures.households !== null) list.after(gauge(figures.households));

      if (wangge.choose(grid.bounds)) {
        var bounds = section(wangge.say("card.bounds"));
        bounds.append(wangge.element("p", { class: "wg-note" }, wangge.choose(grid.bounds)));
        card.append(bounds);
      }

      var staff = section(wangge.say("card.staff"));
      if (!grid.staff.length) staff.append(wangge.element("p", { class: "wg-vacant" }, wangge.say("card.no_staff")));
      var people = wangge.element("ul", { class: "wg-people" });
      grid.staff.forEach(function (person) {
        var phone = null;
        if (person.phone) phone = wangge.element("a", { href: "tel:" + person.phone.replace(/[^\d+]/g, "") }, person.phone);
        people.append(wangge.element("li", {},
          wangge.element("span", { class: "wg-role" }, wangge.choose({ zh: person.role_zh, en: person.role_en })),
          person.name ? wangge.element("b", {}, person.name) : wangge.element("b", { class: "wg-vacant" }, wangge.say("card.vacant")),
          phone));
      });
      if (grid.staff.length) staff.append(people);
      card.append(staff);

      if (grid.groups.length) {
        var groups = section(wangge.say("card.groups"));
        var lines = wangge.element("dl", { class: "wg-lines" });
        grid.groups.forEach(function (group) {
          lines.append(row(wangge.choose({ zh: group.label_zh, en: group.label_en }), wangge.choose({ zh: group.value_zh, en: group.value_en })));
        });
        groups.append(lines);
        card.append(groups);
      }
      if (figures.cases_30d !== null || grid.recent.length) {
        var cases = section(wangge.say("card.cases"));
        if (figures.cases_30d !== null) cases.firstChild.append(wangge.element("span", {},
          grid.about && figures.cases_30d ? wangge.say("card.cases_about", { count: wangge.number(figures.cases_30d) }) : wangge.say("card.cases_count", { count: wangge.number(figures.cases_30d) })));
        var recent = wangge.element("ul", { class: "wg-recent" });
        grid.recent.forEach(function (event) {
          recent.append(wangge.element("li", {},
            wangge.element("time", {}, event.date || ""),
            wangge.element("b", {}, wangge.choose({ zh: event.category_zh, en: event.category_en })),
            wangge.element("span", {}, wangge.choose({ zh: event.status_zh, en: event.status_en }))));
        });
        if (grid.recent.length) cases.append(recent);
        card.append(cases);
      }
    }

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

    function open(grid, by_key) {
      chosen = grid;
      outline.setLatLngs(grid.rings);
      write(grid);
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
    map.on("zoomend", words);
    fills();
    words();
  };
})();
