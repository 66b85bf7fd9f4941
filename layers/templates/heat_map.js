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
    wangge.pane(map, "wg-group-lines", 431);
    wangge.pane(map, "wg-bands", 561);
    hatch(map, "wg-groups");
    var layer = L.layerGroup();
    var labels = [];
    data.cells.forEach(function (cell) {
      var parts = [];
      parts.push(L.polygon(cell.rings, {
        pane: "wg-groups", interactive: false, smoothFactor: 0, stroke: true, color: "#ffffff", weight: 1,
        fillColor: cell.rank === 0 ? "url(#wg-hatch)" : cell.colour, fillOpacity: cell.rank === 0 ? 0.9 : 0.82, className: "wg-heat-cell"
      }));
      // a thick line round what is counted together: the figure is the whole's, not each grid's
      if (cell.together > 1) {
        parts.push(L.polygon(cell.rings, {
          pane: "wg-group-lines", interactive: false, smoothFactor: 0, fill: false, color: "#12384f", weight: 3.6, lineJoin: "round", className: "wg-together"
        }));
      }
      var node = wangge.element("div", { class: "wg-band" + (cell.rank === 0 ? " wg-withheld" : "") });
      var marker = L.marker(cell.centre, {
        pane: "wg-bands", interactive: false, keyboard: false,
        icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] })
      });
      parts.push(marker);
      parts.forEach(function (part) { part.addTo(layer); });
      labels.push({ node: node, cell: cell, marker: marker, parts: parts });
    });
    // of an area that is looked at alone: what tells of its grids, whole where it tells of others as well
    wangge.on("area", function (area) {
      labels.forEach(function (entry) {
        var on = !area || !entry.cell.codes || entry.cell.codes.some(function (code) { return area.grids.indexOf(code) >= 0; });
        entry.parts.forEach(function (part) { if (on) layer.addLayer(part); else layer.removeLayer(part); });
      });
    });
    function covers(cell, grid) {
      // where several communities are shown, the last three digits are not one grid's alone
      if (cell.codes) return cell.codes.indexOf(grid.code) >= 0;
      var codes = cell.grids.split(/[\s,，、]+/);
      return codes.indexOf(grid.label) >= 0 || codes.indexOf(grid.code) >= 0;
    }
    wangge.tips["group:" + data.group] = function (grid) {
      var found = data.cells.filter(function (cell) { return covers(cell, grid); });
      if (!found.length) return "";
      var cell = found[0];
      if (cell.rank === 0) return wangge.choose(cell.why);
      return cell.together > 1 ? wangge.say("map.together_tip", { value: wangge.choose(cell.label), grids: cell.grids.trim().split(/[\s,，、]+/).join("、") }) : wangge.choose(cell.label);
    };
    function told(cell) {
      if (cell.rank === 0) return wangge.choose(cell.why);
      return cell.together > 1 ? wangge.say("map.together", { value: wangge.choose(cell.label), count: cell.together }) : wangge.choose(cell.label);
    }
    function width(text) {
      return Array.from(text).reduce(function (sum, letter) { return sum + (letter > "\u2e7f" ? 12 : 6.4); }, 14);
    }
    function words() {
      var scale = wangge.metres_per_pixel(map);
      labels.forEach(function (entry) {
        // all of it where it fits, else less; a withheld area says so in any case, and the pointer says why
        var room = entry.cell.radius / scale * 2.3;
        var less = entry.cell.rank === 0 ? wangge.say("map.withheld") : wangge.choose(entry.cell.label);
        var text = width(told(entry.cell)) <= room * 0.85 ? told(entry.cell) : less;
        entry.node.textContent = text;
        entry.node.hidden = width(text) > room && entry.cell.rank !== 0;
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
