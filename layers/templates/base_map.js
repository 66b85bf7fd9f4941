// Ground, water, buildings, streets with casing and widths in metres, the world outside dimmed, names along streets.
(function () {
  "use strict";
  // metres on the ground, least pixels, colour, casing colour (or null), order from below
  var CLASSES = {
    water: { metres: 16, least: 3, colour: null, casing: null },
    path: { metres: 1.4, least: 0.9, colour: "#fffdf8", casing: null, dashes: "3 4" },
    lane: { metres: 4, least: 1.2, colour: "#ffffff", casing: "#d9d2c4" },
    local: { metres: 7.5, least: 2, colour: "#ffffff", casing: "#cfc7b8" },
    secondary: { metres: 12, least: 3, colour: "#ffffff", casing: "#c2b9a8" },
    arterial: { metres: 19, least: 4, colour: "#fdf0cf", casing: "#cdb27c" },
    rail: { metres: 3.2, least: 2, colour: "#8a8f96", casing: "#ffffff", rail: true },
    wall: { metres: 0.7, least: 0.9, colour: "#9a8f80", casing: null }
  };
  var ORDER = ["water", "path", "lane", "local", "secondary", "arterial", "rail", "wall"];
  var NAME_SIZE = { arterial: 13, secondary: 12.5, water: 12.5, local: 11.5, lane: 11, rail: 11, path: 11, wall: 11 };

  wangge.drawers.base_map = function (map, data) {  // gives {buildings}, which draws others
    CLASSES.water.colour = data.colours.water;
    var bounds = L.latLngBounds([data.bounds[1], data.bounds[0]], [data.bounds[3], data.bounds[2]]);
    var sized = [];

    function add(latlngs, pane, part, kind, options) {
      var style = CLASSES[kind];
      var line = L.polyline(latlngs, Object.assign({
        pane: pane, interactive: false, smoothFactor: 0.5, lineCap: "round", lineJoin: "round"
      }, options));
      sized.push({ line: line, style: style, part: part });
      line.addTo(map);
    }

    function streets(of_kind, level, bridge) {
      ORDER.forEach(function (kind) {
        if (!of_kind[kind]) return;
        var style = CLASSES[kind];
        var pane = wangge.pane(map, level, bridge ? 338 : 330);
        if (kind === "water") pane = wangge.pane(map, "wg-water", 312);
        if (style.casing || bridge) {
          var casing = wangge.pane(map, level + "-casing", bridge ? 336 : 328);
          add(of_kind[kind], casing, "casing", kind, { color: bridge ? "#8f8672" : style.casing, lineCap: bridge ? "butt" : "round" });
        }
        add(of_kind[kind], pane, "core", kind, { color: style.colour, dashArray: style.dashes || null });
        if (style.rail) add(of_kind[kind], pane, "dash", kind, { color: "#ffffff", dashArray: "7 7", lineCap: "butt" });
      });
    }

    var buildings = L.layerGroup();
    wangge.pane(map, "wg-buildings", 320);
    function build(by_use) {
      buildings.clearLayers();
      Object.keys(by_use).forEach(function (use) {
        L.polygon(by_use[use], {
          pane: "wg-buildings", interactive: false, smoothFactor: 0, stroke: true, weight: 0.7, color: "#b3aa9b",
          fillColor: data.colours.buildings[use], fillOpacity: 1
        }).addTo(buildings);
      });
    }
    build(data.buildings);

    Object.keys(data.tunnels).forEach(function (kind) {
      if (CLASSES[kind]) {
        add(data.tunnels[kind], wangge.pane(map, "wg-tunnels", 314), "core", kind, { color: kind === "water" ? data.colours.water : "#ece7dc", dashArray: "6 5", opacity: 0.8 });
      }
    });
    streets(data.streets, "wg-streets", false);
    streets(data.bridges, "wg-bridges", true);

    // outside the community, all is dimmed: one polygon of the world with the community as its hole
    var holes = data.community.map(function (rings) { return rings[0]; });
    L.polygon([[[-85, -180], [-85, 180], [85, 180], [85, -180]]].concat(holes), {
      pane: wangge.pane(map, "wg-outside", 350), interactive: false, smoothFactor: 0, stroke: false,
      fillColor: data.colours.ground, fillOpacity: 0.72
    }).addTo(map);
    L.polygon(data.community, {
      pane: wangge.pane(map, "wg-community-glow", 352), interactive: false, smoothFactor: 0, fill: false, color: "#ffffff", weight: 9, opacity: 0.85
    }).addTo(map);
    L.polygon(data.community, {
      pane: wangge.pane(map, "wg-community", 432), interactive: false, smoothFactor: 0, fill: false, color: "#17384a", weight: 3
    }).addTo(map);

    function size() {
      var scale = wangge.metres_per_pixel(map);
      sized.forEach(function (entry) {
        var width = Math.max(entry.style.least, entry.style.metres / scale);
        if (entry.part === "casing") width += entry.style.rail ? 2 : Math.min(2.4, 0.8 + width * 0.14);
        if (entry.part === "dash") width = Math.max(1, width - 1.6);
        entry.line.setStyle({ weight: width });
      });
    }
    map.on("zoomend", size);

    var zooming = false;
    map.on("zoomanim", function () { zooming = true; });
    map.on("zoomend", function () { zooming = false; });

    function whole() {
      if (zooming) { map.once("zoomend", whole); return; } // what is asked amid a zoom is lost on Leaflet
      var wide = window.innerWidth > 760;
      map.fitBounds(bounds, {
        paddingTopLeft: wide ? [316, 92] : [16, 128], paddingBottomRight: wide ? [72, 36] : [16, 84], animate: false
      });
    }
    wangge.on("base", function (base) {
      if (base.name === "buildings") { if (base.shown) buildings.addTo(map); else buildings.remove(); }
    });
    // `placed`: the page itself says what part of the map is seen
    if (data.placed) buildings.addTo(map);
    else { wangge.on("whole", whole); whole(); }
    size();
    names(map, data.names);
    return { buildings: build };
  };

  // Names along streets: each candidate place is tried from the middle of the street outwards; a place is taken if
  // the street is long and straight enough there and nothing stands in the way.
  function names(map, entries) {
    var pane = map.getPane(wangge.pane(map, "wg-names", 440));
    var drawing = wangge.svg("svg", { class: "wg-names", width: "1", height: "1" });
    pane.append(drawing);
    var shown = true;
    var ruler = document.createElement("canvas").getContext("2d");
    var rank = ["arterial", "secondary", "water", "local", "lane", "rail", "path", "wall"];
    var ordered = entries.slice().sort(function (a, b) { return rank.indexOf(a.class) - rank.indexOf(b.class); });

    function place() {
      drawing.replaceChildren();
      if (!shown) return;
      var scale = wangge.metres_per_pixel(map);
      var taken = [];
      wangge.obstacles.forEach(function (list) { taken = taken.concat(list(map)); });
      ordered.forEach(function (entry) {
        var size = (NAME_SIZE[entry.class] || 11) * wangge.letters;
        if (scale > 2.2 && entry.class !== "arterial" && entry.class !== "water") return;
        if (scale > 1.4 && (entry.class === "lane" || entry.class === "path")) return;
        var chinese = /[\u3400-\u9fff]/.test(entry.name);
        ruler.font = size + "px sans-serif";
        var letters = chinese ? Array.from(entry.name) : [entry.name];
        var widths = letters.map(function (letter) { return ruler.measureText(letter).width * (chinese ? 1.22 : 1.02); });
        var length = widths.reduce(function (sum, width) { return sum + width; }, 0);
        var placed = [];
        entry.lines.forEach(function (line) {
          var track = along(line.map(function (at) { return map.latLngToLayerPoint(at); }));
          if (track.length < length + 12) return;
          var steps = Math.max(1, Math.floor((track.length - length) / 14));
          var middle = (track.length - length) / 2;
          for (var i = 0; i <= steps; i++) {
            var offset = middle + (i % 2 ? 1 : -1) * Math.ceil(i / 2) * 14;
            if (offset < 4 || offset + length > track.length - 4) continue;
            var glyphs = set(track, offset, widths, letters, chinese, size);
            if (!glyphs) continue;
            var centre = track.at(offset + length / 2);
            var repeated = placed.some(function (at) { return Math.hypot(at.x - centre.x, at.y - centre.y) < 460; });
            if (repeated) continue;
            var boxes = glyphs.reduce(function (all, glyph) { return all.concat(glyph.boxes); }, []);
            if (boxes.some(function (box) { return taken.some(function (other) { return hit(box, other); }); })) continue;
            taken = taken.concat(boxes);
            placed.push(centre);
            glyphs.forEach(function (glyph) {
              var text = wangge.svg("text", {
                x: glyph.x, y: glyph.y, "font-size": size, "text-anchor": "middle", dy: "0.36em",
                class: entry.class === "water" ? "wg-name wg-name-water" : "wg-name",
                transform: "rotate(" + glyph.angle.toFixed(1) + " " + glyph.x.toFixed(1) + " " + glyph.y.toFixed(1) + ")"
              });
              text.textContent = glyph.letter;
              drawing.append(text);
            });
          }
        });
      });
    }

    function along(points) {
      var lengths = [0];
      for (var i = 1; i < points.length; i++) lengths.push(lengths[i - 1] + points[i].distanceTo(points[i - 1]));
      return {
        length: lengths[lengths.length - 1],
        at: function (distance) {
          var i = 1;
          while (i < lengths.length - 1 && lengths[i] < distance) i++;
          var share = lengths[i] > lengths[i - 1] ? (distance - lengths[i - 1]) / (lengths[i] - lengths[i - 1]) : 0;
          return {
            x: points[i - 1].x + share * (points[i].x - points[i - 1].x),
            y: points[i - 1].y + share * (points[i].y - points[i - 1].y)
          };
        }
      };
    }

    function set(track, offset, widths, letters, chinese, size) {
      var length = widths.reduce(function (sum, width) { return sum + width; }, 0);
      var from = track.at(offset), to = track.at(offset + length);
      var chord = Math.hypot(to.x - from.x, to.y - from.y);
      if (chord < length * 0.965) return null;
      var bearing = Math.atan2(to.y - from.y, to.x - from.x) * 180 / Math.PI;
      var steep = chinese && Math.abs(Math.abs(bearing) - 90) < 42;  // such names stand upright, one character below the other
      var backwards = steep ? bearing < 0 : Math.abs(bearing) > 90;
      var distance = offset, glyphs = [];
      for (var i = 0; i < letters.length; i++) {
        var index = backwards ? letters.length - 1 - i : i;
        var width = widths[index];
        var at = track.at(distance + width / 2);
        var a = track.at(distance), b = track.at(distance + width);
        var angle = Math.atan2(b.y - a.y, b.x - a.x) * 180 / Math.PI;
        if (Math.abs(((angle - bearing + 540) % 360) - 180) > 24) return null;
        angle = backwards ? angle + 180 : angle;
        if (steep) angle -= 90;
        var boxes = [];
        if (letters.length > 1) boxes.push(square(at.x, at.y, size * 0.62));
        else {
          for (var part = size / 2; part < width; part += size) {
            var point = track.at(distance + part);
            boxes.push(square(point.x, point.y, size * 0.62));
          }
        }
        glyphs.push({ x: at.x, y: at.y, angle: ((angle + 540) % 360) - 180, letter: letters[index], boxes: boxes });
        distance += width;
      }
      return glyphs;
    }

    function square(x, y, half) { return [x - half, y - half, x + half, y + half]; }
    function hit(a, b) { return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]; }

    map.on("zoomstart", function () { drawing.classList.add("wg-moving"); });
    map.on("zoomend viewreset", function () { place(); drawing.classList.remove("wg-moving"); });
    wangge.on("base", function (base) { if (base.name === "names") { shown = base.shown; place(); } });
    wangge.on("ready", place);
    wangge.on("labels", place);
  }
})();
