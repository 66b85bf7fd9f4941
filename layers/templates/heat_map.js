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
      L.marker(cell.centre, {
        pane: "wg-bands", interactive: false, keyboard: false,
        icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] })
      }).addTo(layer);
      labels.push({ node: node, cell: cell });
    });
    function words() {
      var scale = wangge.metres_per_pixel(map);
      labels.forEach(function (entry) {
        entry.node.textContent = wangge.choose(entry.cell.label);
        entry.node.hidden = entry.cell.radius / scale < 13;
      });
    }
    wangge.on("language", words);
    map.on("zoomend", words);
    words();
    switched(map, layer, "group:" + data.group);
  };
})();
