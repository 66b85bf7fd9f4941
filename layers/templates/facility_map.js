// Facilities: an icon for places people go to, small dots for street furniture.
(function () {
  "use strict";

  // keys: whether Tab goes from place to place, which is too far where there are hundreds
  wangge.drawers.facility_map = function (map, kinds, keys) {
    wangge.pane(map, "wg-dots", 500, true);
    wangge.pane(map, "wg-places", 600, true);
    var layers = {};
    var dots = [];
    var places = [];

    function title(kind, name) { return name ? name : wangge.choose(kind.label); }

    function told(kind, condition) { return condition ? wangge.choose(kind.conditions[condition]) : ""; }

    function tooltip(kind, name, condition) {
      return function () {
        var box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, title(kind, name)));
        var more = [name ? wangge.choose(kind.label) : "", told(kind, condition)].filter(Boolean).join(" · ");
        if (more) box.append(wangge.element("small", {}, more));
        return box;
      };
    }

    function describe(shape, kind, name, condition) {
      var node = shape.getElement();
      if (keys === false) node.setAttribute("role", "img");
      node.setAttribute("aria-label", [title(kind, name), name ? wangge.choose(kind.label) : "", told(kind, condition)].filter(Boolean).join(" · "));
    }
    wangge.on("language", function () {
      places.forEach(function (place) { if (place.marker.getElement()) describe(place.marker, place.of, place.name, place.condition); });
    });

    kinds.forEach(function (kind) {
      var layer = layers[kind.kind] = L.layerGroup();
      kind.points.forEach(function (at) {
        var name = at[2] || "", condition = at[3] || "";
        var faulty = condition && condition !== "good";
        var shape;
        if (kind.minor) {
          shape = L.circleMarker([at[0], at[1]], {
            pane: "wg-dots", radius: 3, weight: 1, color: "#ffffff", fillColor: kind.colour, fillOpacity: 0.95, className: "wg-dot-at"
          });
          // not in order: hollow, so that it shows without colour
          shape.faulty = faulty;
          if (faulty) shape.setStyle({ color: kind.colour, fillColor: "#ffffff", weight: 2 });
          dots.push(shape);
        } else {
          var drawing = wangge.svg("svg", { viewBox: kind.icon.box, "aria-hidden": "true" }, wangge.svg("path", { d: kind.icon.path, fill: kind.colour }));
          var badge = wangge.element("span", {}, drawing);
          badge.style.color = kind.colour;
          if (faulty) {
            badge.className = "wg-worn";
            badge.append(wangge.element("i", { class: "wg-fault", "aria-hidden": "true" }, "!"));
          }
          shape = L.marker([at[0], at[1]], {
            pane: "wg-places", title: "", keyboard: keys !== false, alt: [title(kind, name), told(kind, condition)].filter(Boolean).join(" · "), riseOnHover: true,
            icon: L.divIcon({ className: "wg-place", html: badge, iconSize: [26, 26] })
          });
          shape.on("add", function () { describe(shape, kind, name, condition); });
          places.push({ name: name, condition: condition, of: kind, at: L.latLng(at[0], at[1]), marker: shape, kind: kind.kind });
        }
        shape.bindTooltip(tooltip(kind, name, condition), { direction: "top", offset: [0, kind.minor ? -4 : -13], className: "wg-tip-box", opacity: 1 });
        shape.addTo(layer);
      });
    });

    wangge.obstacles.push(function () {
      if (getComputedStyle(map.getPane("wg-places")).display === "none") return [];
      var half = wangge.metres_per_pixel(map) > 1.7 ? 6 : 13;
      return places.filter(function (place) { return map.hasLayer(layers[place.kind]); }).map(function (place) {
        var at = map.latLngToLayerPoint(place.marker.getLatLng());
        return [at.x - half, at.y - half, at.x + half, at.y + half];
      });
    });

    function size() {
      // seen from afar icons shrink, from farther still they are dots
      map.getPane("wg-places").classList.toggle("wg-far", wangge.metres_per_pixel(map) > 0.95);
      map.getPane("wg-places").classList.toggle("wg-farther", wangge.metres_per_pixel(map) > 1.7);
      var scale = wangge.metres_per_pixel(map);
      var radius = Math.max(2, Math.min(6, 2.6 / scale));
      dots.forEach(function (dot) {
        dot.setRadius(dot.faulty ? radius + 1 : radius);
        dot.setStyle({ weight: dot.faulty ? 2 : radius > 2.6 ? 1 : 0 });
      });
    }
    // Icons on one spot step aside, those further down the list first, so that none hides another.
    var STEPS = [[0, 0], [1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]];
    function spread() {
      var apart = map.getPane("wg-places").classList.contains("wg-farther") ? 10 : 21;
      var standing = [];
      places.forEach(function (place) {
        if (!map.hasLayer(layers[place.kind])) return;
        var home = map.latLngToLayerPoint(place.at);
        var at = home;
        for (var i = 0; i < STEPS.length; i++) {
          var tried = L.point(home.x + STEPS[i][0] * apart, home.y + STEPS[i][1] * apart);
          if (standing.every(function (other) { return other.distanceTo(tried) >= apart - 1; })) { at = tried; break; }
        }
        standing.push(at);
        place.marker.setLatLng(at === home ? place.at : map.layerPointToLatLng(at));
      });
    }
    // of an area that is looked at alone (its `contains`), what stands outside is pale
    wangge.on("area", function (area) {
      function outside(at) { return area && !area.contains(at.lat, at.lng); }
      dots.forEach(function (dot) { var pale = outside(dot.getLatLng()); dot.setStyle({ opacity: pale ? 0.25 : 1, fillOpacity: pale ? 0.25 : 0.95 }); });
      places.forEach(function (place) { place.marker.setOpacity(outside(place.at) ? 0.3 : 1); });
    });
    function settle() { size(); spread(); }
    map.on("zoomend", settle);
    settle();
    wangge.on("kind", function (choice) {
      if (!layers[choice.name]) return;
      if (choice.shown) layers[choice.name].addTo(map); else layers[choice.name].remove();
      spread();
      wangge.emit("labels");
    });
  };
})();
