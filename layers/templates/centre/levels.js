// From a street office to its communities. What lies below a community, and the way there: centre/tiers.js
(function () {
  "use strict";
  centre.part(function (map, page) {
    if (page.communities.length < 2) return;
    wangge.pane(map, "cc-communities", 439, true);
    wangge.pane(map, "cc-community-names", 562);
    let inside = "";

    const shapes = page.communities.map(function (one) {
      const rings = centre.unpack(one.rings);
      const shape = L.polygon(rings, { pane: "cc-communities", smoothFactor: 0, color: "#17384a", weight: 3, fillColor: "#ffffff", fillOpacity: 0.01, className: "cc-community" });
      const node = wangge.element("div", { class: "wg-number cc-community-name" }, wangge.element("b", {}, one.name || one.code));
      const name = L.marker(one.centre, { pane: "cc-community-names", interactive: false, keyboard: false, icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] }) });
      const entry = { one: one, shape: shape, node: node, name: name, bounds: L.polygon(rings).getBounds(), box: null, shown: false };
      shape.bindTooltip(function () { return tip(one); }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
      shape.on("mouseover", function () { shape.setStyle({ weight: 5, fillOpacity: 0.25 }); });
      shape.on("mouseout", function () { shape.setStyle({ weight: 3, fillOpacity: 0.01 }); });
      shape.on("click", function (event) { L.DomEvent.stop(event); enter(entry, false); });
      shape.on("add", function () {
        const drawn = shape.getElement();
        drawn.setAttribute("tabindex", "0");
        drawn.setAttribute("role", "button");
        drawn.setAttribute("data-community", one.code);
        drawn.setAttribute("aria-label", one.name || one.code);
        drawn.addEventListener("keydown", function (event) {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); enter(entry, true); }
        });
      });
      return entry;
    });

    // what the grids of a community add up to; a sum with an unknown part is none
    function tip(one) {
      const grids = page.grids.filter(function (grid) { return grid.community === one.code; });
      const lines = [wangge.say("centre.level_grids", { count: wangge.number(grids.length) })];
      if (grids.length && grids.every(function (grid) { return grid.households !== null; })) {
        lines.push(wangge.say("card.households_short", { count: wangge.number(grids.reduce(function (sum, grid) { return sum + grid.households; }, 0)) }));
      }
      if (centre.figures) {
        const rows = centre.figures.by_grid.filter(function (row) { return row.community === one.code; });
        lines.push(wangge.say(centre.figures.approximate ? "centre.tip_about" : "centre.tip_cases", { count: centre.short(rows.reduce(function (sum, row) { return sum + row.cases; }, 0)) }));
      }
      const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, one.name || one.code));
      lines.forEach(function (line) { box.append(wangge.element("small", {}, line)); });
      return box;
    }

    function enter(entry, by_key) {
      inside = entry.one.code;
      map.fitBounds(entry.bounds, Object.assign({ animate: false }, centre.room()));
      show();
      if (by_key) document.querySelector(".cc-levels button").focus();
    }
    centre.inside = function () { return inside; };
    centre.enter = function (code) {
      const entry = shapes.find(function (one) { return one.one.code === code; });
      if (entry) enter(entry, false);
    };

    centre.leave = function () {
      inside = "";
      centre.whole();
      show();
    };

    // A community is entered by choosing it or by coming so near that it fills the map: then its grids are reached.
    function show() {
      const size = map.getSize(), view = map.getBounds();
      const near = function (entry) {
        const one = map.latLngToContainerPoint(entry.bounds.getNorthWest()), other = map.latLngToContainerPoint(entry.bounds.getSouthEast());
        return (other.x - one.x > size.x * 0.7 || other.y - one.y > size.y * 0.7) && view.intersects(entry.bounds);
      };
      shapes.forEach(function (entry) {
        entry.shown = inside === "" && centre.view.grid === "" && centre.view.area === "" && !near(entry);
        if (entry.shown) entry.shape.addTo(map); else entry.shape.remove();
      });
      map.getContainer().classList.toggle("cc-communities", shapes.some(function (entry) { return entry.shown && view.intersects(entry.bounds); }));
      name();
      tell();
    }

    function name() {
      const scale = wangge.metres_per_pixel(map);
      const shown = shapes.filter(function (entry) { return entry.shown; });
      const labels = shown.map(function (entry) {
        const at = map.latLngToLayerPoint(entry.one.centre), wide = Array.from(entry.node.textContent).reduce(function (sum, letter) { return sum + (letter > "\u2e7f" ? 19 : 10); }, 12);
        return { x: at.x, y: at.y, radius: Math.max(6, entry.one.radius / scale), width: wide, height: 27 };
      });
      const placed = wangge.place_labels(labels, []);
      shapes.forEach(function (entry) { entry.box = null; entry.name.remove(); });
      shown.forEach(function (entry, n) {
        const at = placed[n];
        if (!at) return;
        entry.name.setLatLng(map.layerPointToLatLng([at.x, at.y])).addTo(map);
        entry.box = [at.x - labels[n].width / 2, at.y - 14, at.x + labels[n].width / 2, at.y + 14];
      });
    }
    wangge.obstacles.push(function (asked) { return asked === map ? shapes.map(function (entry) { return entry.box; }).filter(Boolean) : []; });

    function tell() { wangge.emit("levels"); }

    map.on("zoomend", show);
    map.on("moveend", tell);
    wangge.on("view", function (names) {
      // where the whole is seen again, no community is entered
      const whole = names.has("at") && !centre.view.at && !centre.view.area && !centre.view.grid;
      if (whole) inside = "";
      if (whole || names.has("grid") || names.has("area")) show();
    });
    wangge.on("language", show);
    wangge.on("started", function () {
      if (centre.view.at) inside = "-";  // a view that was shared is shown as it is
      show();
    });
  });
})();
