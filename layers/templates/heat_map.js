// Heat maps, one at a time: density of cases; population groups by area, withheld areas hatched and named.
(function () {
  "use strict";

  function hatch(map, pane) {
    var renderer = map.getRenderer(L.polygon([], { pane: pane }));
    renderer.addTo(map);
    if (!document.getElementById("wg-hatch")) {
      renderer._container.prepend(wangge.svg("defs", {},
        wangge.svg("pattern", { id: "wg-hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
          wangge.svg("rect", { width: 9, height: 9, fill: "#f4f2ee" }),
          wangge.svg("rect", { width: 2.4, height: 9, fill: "#a9a69f" }))));
    }
  }

  function switched(map, layer, name) {
    wangge.on("theme", function (theme) { if (theme === name) layer.addTo(map); else layer.remove(); });
  }

  wangge.drawers.case_heat = function (map, data) {
    wangge.pane(map, "wg-cases", 344);
    var layer = L.layerGroup();
    data.classes.forEach(function (cells) {
      if (!cells.rings.length) return;
      L.polygon(cells.rings, {
        pane: "wg-cases", interactive: false, smoothFactor: 0, stroke: false, fillColor: cells.colour, fillOpacity: 0.86, className: "wg-heat-cell"
      }).addTo(layer);
    });
    switched(map, layer, "cases");
  };

  wangge.drawers.group_heat = function (map, data) {
    wangge.pane(map, "wg-groups", 318);
    wangge.pane(map, "wg-bands", 561);
    hatch(map, "wg-groups");
    var layer = L.layerGroup();
    var labels = [];
    data.cells.forEach(function (cell) {
      L.polygon(cell.rings, {
        pane: "wg-groups", interactive: false, smoothFactor: 0, stroke: true, color: "#ffffff", weight: 1,
        fillColor: cell.rank === 0 ? "url(#wg-hatch)" : cell.colour, fillOpacity: cell.rank === 0 ? 0.9 : 0.82, className: "wg-heat-cell"
      }).addTo(layer);
      var node = wangge.element("div", { class: "wg-band" + (cell.rank === 0 ? " wg-withheld" : "") });
      var marker = L.marker(cell.centre, {
        pane: "wg-bands", interactive: false, keyboard: false,
        icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] })
      }).addTo(layer);
      labels.push({ node: node, cell: cell, marker: marker });
    });
    function covers(cell, grid) {
      var codes = cell.grids.split(/[\s,，、]+/);
      return codes.indexOf(grid.label) >= 0 || codes.indexOf(grid.code) >= 0;
    }
    wangge.tips["group:" + data.group] = function (grid) {
      var found = data.cells.filter(function (cell) { return covers(cell, grid); });
      return found.length ? wangge.choose(found[0].label) : "";
    };
    function words() {
      var scale = wangge.metres_per_pixel(map);
      labels.forEach(function (entry) {
        // the whole label where it fits; a withheld area says so in any case, and the pointer shows the rest
        var radius = entry.cell.radius / scale;
        var text = wangge.choose(entry.cell.label);
        var wide = Array.from(text).reduce(function (sum, letter) { return sum + (letter > "\u2e7f" ? 12 : 6.4); }, 14);
        if (entry.cell.rank === 0 && wide > radius * 2.2) { text = wangge.say("map.withheld"); wide = 50; }
        entry.node.textContent = text;
        entry.node.hidden = wide > radius * 2.3;
      });
    }
    // a cell's label hangs below the number of the grid nearest to its middle
    wangge.on("numbers", function (numbers) {
      labels.forEach(function (entry) {
        var nearest = null, least = Infinity;
        numbers.forEach(function (number) {
          var distance = covers(entry.cell, number) ? map.distance(number.at, entry.cell.centre) : Infinity;
          if (distance < least) { least = distance; nearest = number; }
        });
        if (nearest) entry.marker.setLatLng(nearest.at);
      });
      words();
    });
    switched(map, layer, "group:" + data.group);
  };
})();
