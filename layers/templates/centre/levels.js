// From a street office to its communities. What lies below a community, and the way there: centre/tiers.js
(function () {
  "use strict";
  centre.part(function (map, page) {
    if (page.communities.length < 2) return;
    wangge.pane(map, "cc-communities", 439, true);
    wangge.pane(map, "cc-community-names", 610);  // above facilities, which would hide them
    const leads = L.polyline([], { pane: "cc-community-names", interactive: false, color: "#34566a", weight: 1 }).addTo(map);
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

    // How a name is written inside its community: large, else small; in one to three lines; else as much of it
    // as has room, of a code the end. The tip tells the whole. Null where there is room for nothing.
    function written(one, radius, big) {
      const words = one.name || one.code, letters = Array.from(words);
      const fits = function (found) { return Math.max(found.width, found.height) / 2 <= radius * 1.1; };
      for (const small of [false, true]) {
        for (const count of [1, 2, 3]) {
          const found = lines_of(words, count, small, big);
          if (fits(found)) return found;
        }
      }
      for (let kept = Math.min(40, letters.length - 1); kept >= 4; kept--) {
        const part = one.name ? letters.slice(0, kept).join("").trim() + "\u2026" : "\u2026" + letters.slice(-kept).join("");
        for (const count of [3, 2, 1]) {
          const found = lines_of(part, count, true, big);
          if (fits(found)) return found;
        }
      }
      return null;
    }

    // at most `count` lines, as even as they can be: broken between words, and between Chinese letters
    function lines_of(words, count, small, big) {
      const wide = function (text) { return Array.from(text.trim()).reduce(function (sum, letter) { return sum + (letter > "\u2e7f" ? 19 : 10.5) * (small ? 0.72 : 1) * big; }, 0); };
      const parts = words.match(/[\u2e80-\uffff]|[^\s\u2e80-\uffff]+\s*/g) || [];
      let lines = [];
      for (let most = wide(words) / count; ; most += 4) {
        lines = [];
        parts.forEach(function (part) {
          const last = lines.length - 1;
          if (last >= 0 && wide(lines[last] + part) <= most) lines[last] += part; else lines.push(part);
        });
        if (lines.length <= count) break;
      }
      return { text: lines.map(function (line) { return line.trim(); }).join("\n"), small: small, width: Math.max.apply(null, lines.map(wide)) + 12, height: lines.length * (small ? 15 : 21) * big + 6 };
    }

    function name() {
      const scale = wangge.metres_per_pixel(map), big = centre.big() ? 1.45 : 1;
      const shown = shapes.filter(function (entry) { return entry.shown; });
      const labels = shown.map(function (entry) {
        const at = map.latLngToLayerPoint(entry.one.centre), radius = Math.max(6, entry.one.radius / scale);
        const within = written(entry.one, radius, big);
        return Object.assign({ x: at.x, y: at.y, radius: radius, within: within !== null }, within || lines_of(entry.one.name || entry.one.code, 3, true, big));
      });
      const room = centre.room(), size = map.getSize();
      const first = map.containerPointToLayerPoint(room.paddingTopLeft), last = map.containerPointToLayerPoint([size.x - room.paddingBottomRight[0], size.y - room.paddingBottomRight[1]]);
      const frame = [first.x, first.y, last.x, last.y];
      const around = function (at, wide, high) { return [at.x - wide, at.y - high, at.x + wide, at.y + high]; };
      const inner = labels.filter(function (label) { return label.within; }), found = wangge.place_labels(inner, [], frame);
      const placed = labels.map(function (label) { return label.within ? found[inner.indexOf(label)] : null; });
      // who has no room inside stands beside, but on no other community
      labels.forEach(function (label, n) {
        if (label.within) return;
        const blocked = [];
        labels.forEach(function (other, m) {
          if (m !== n) blocked.push(around(other, other.radius, other.radius));
          if (placed[m]) blocked.push(around(placed[m], other.width / 2, other.height / 2));
        });
        placed[n] = wangge.place_labels([label], blocked, frame)[0];
      });
      const lines = [];
      shapes.forEach(function (entry) { entry.box = null; entry.name.remove(); });
      shown.forEach(function (entry, n) {
        const at = placed[n], label = labels[n];
        if (!at) return;
        entry.node.firstChild.textContent = label.text;
        entry.node.classList.toggle("wg-small", label.small);
        entry.name.setLatLng(map.layerPointToLatLng([at.x, at.y])).addTo(map);
        entry.box = [at.x - label.width / 2, at.y - label.height / 2, at.x + label.width / 2, at.y + label.height / 2];
        if (at.line) lines.push([map.layerPointToLatLng(at.line.slice(0, 2)), map.layerPointToLatLng(at.line.slice(2))]);
      });
      leads.setLatLngs(lines);
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
