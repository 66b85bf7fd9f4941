// The density of cases: values on a lattice, painted once into a picture that moves and scales with the map, so
// that panning costs nothing and the surface is the same whatever the zoom.
(function () {
  "use strict";
  const MOST_PIXELS = 900000;

  // A picture on the map that is a canvas of our own.
  const Picture = L.ImageOverlay.extend({
    initialize: function (bounds, options) {
      L.ImageOverlay.prototype.initialize.call(this, "", bounds, options);
      this.canvas = document.createElement("canvas");
    },
    _initImage: function () {
      const node = this._image = this.canvas;
      node.className = "leaflet-image-layer cc-surface" + (this._zoomAnimated ? " leaflet-zoom-animated" : "");
      node.setAttribute("role", "img");
      node.setAttribute("aria-hidden", "true");
    }
  });

  centre.part(function (map, page) {
    wangge.pane(map, "wg-cases", 310);  // below water, houses and streets: their colours are theirs, its own the legend's
    let surface = null, picture = null, frame = null, wanted = "", asked = "", under_way = false, fault = null;
    const outline = page.communities.map(function (one) { return centre.unpack(one.rings); });

    function differs() { return Boolean(centre.view.previous && surface && surface.difference); }
    function colours() { return differs() ? null : centre.colours.ramp(page.colours.density, surface.breaks.length + 1).map(centre.colours.rgb); }

    function colour_of(value, ramp) {
      if (ramp) return ramp[centre.colours.rank(value, surface.breaks)];
      const breaks = surface.difference.breaks, change = page.colours.change, middle = (change.length - 1) / 2;
      // the breaks part fewer from more; the class that holds nought is neutral
      const below = breaks.filter(function (bound) { return bound < 0; }).length, above = breaks.length - below;
      const step = breaks.filter(function (bound) { return value > bound; }).length - below;
      const arm = step > 0 ? Math.ceil(step * middle / Math.max(1, above)) : step < 0 ? -Math.ceil(-step * middle / Math.max(1, below)) : 0;
      return centre.colours.rgb(change[middle + arm]);
    }

    // Values between the lattice's points by their four neighbours; nothing where the nearest one is withheld.
    function paint(values) {
      const columns = surface.columns, rows = surface.rows, box = surface.bounds;
      const fine = Math.max(1, Math.min(16, Math.floor(Math.sqrt(MOST_PIXELS / (columns * rows)))));
      const width = columns * fine, height = rows * fine;
      const canvas = picture.canvas;
      canvas.width = width;
      canvas.height = height;
      const drawing = canvas.getContext("2d"), image = drawing.createImageData(width, height), pixels = image.data, ramp = colours();
      const to = lattice_of(surface);
      for (let y = 0; y < height; y++) {
        const lat = box[3] - (y + 0.5) / height * (box[3] - box[1]);
        for (let x = 0; x < width; x++) {
          const lng = box[0] + (x + 0.5) / width * (box[2] - box[0]);
          const u = to.a * (lng - to.lng) + to.b * (lat - to.lat) - 0.5, v = to.c * (lng - to.lng) + to.d * (lat - to.lat) - 0.5;
          const near_c = Math.round(u), near_r = Math.round(v);
          if (near_c < 0 || near_r < 0 || near_c >= columns || near_r >= rows || values[near_r * columns + near_c] === null) continue;
          const c = Math.floor(u), r = Math.floor(v), s = u - c, t = v - r;
          let sum = 0, weight = 0;
          for (let j = 0; j < 2; j++) {
            for (let i = 0; i < 2; i++) {
              const cc = c + i, rr = r + j;
              if (cc < 0 || rr < 0 || cc >= columns || rr >= rows) continue;
              const value = values[rr * columns + cc];
              if (value === null) continue;
              const share = (i ? s : 1 - s) * (j ? t : 1 - t);
              sum += share * value;
              weight += share;
            }
          }
          if (weight <= 0) continue;
          const rgb = colour_of(sum / weight, ramp), at = 4 * (y * width + x);
          pixels[at] = rgb[0]; pixels[at + 1] = rgb[1]; pixels[at + 2] = rgb[2]; pixels[at + 3] = 255;
        }
      }
      drawing.clearRect(0, 0, width, height);
      drawing.putImageData(image, 0, 0);
      // sharp at the communities' borders, or those of the area chosen, which cells of the lattice cross
      const area = centre.area();
      drawing.globalCompositeOperation = "destination-in";
      drawing.beginPath();
      (area ? [area.rings] : outline).forEach(function (shapes) {
        shapes.forEach(function (rings) {
          rings.forEach(function (ring) {
            ring.forEach(function (at, n) {
              const x = (at[1] - box[0]) / (box[2] - box[0]) * width, y = (box[3] - at[0]) / (box[3] - box[1]) * height;
              if (n) drawing.lineTo(x, y); else drawing.moveTo(x, y);
            });
            drawing.closePath();
          });
        });
      });
      drawing.fill("evenodd");
      drawing.globalCompositeOperation = "source-over";
    }

    // Degrees to columns and rows: the lattice lies in metres, turned a little against the meridians.
    function lattice_of(told) {
      const corner = told.corners || [[told.bounds[0], told.bounds[3]], [told.bounds[2], told.bounds[3]], [told.bounds[2], told.bounds[1]], [told.bounds[0], told.bounds[1]]];
      const nw = corner[0], ne = corner[1], sw = corner[3];
      const ex = (ne[0] - nw[0]) / told.columns, ey = (ne[1] - nw[1]) / told.columns;
      const sx = (sw[0] - nw[0]) / told.rows, sy = (sw[1] - nw[1]) / told.rows;
      const det = ex * sy - ey * sx;
      return { lng: nw[0], lat: nw[1], a: sy / det, b: -sx / det, c: -ey / det, d: ex / det };
    }

    function draw() {
      if (centre.view.theme !== "heat" || !surface) { if (picture) picture.remove(); return; }
      const values = frame === null ? differs() ? surface.difference.values : surface.values : surface.frames[frame].values;
      const box = L.latLngBounds([surface.bounds[1], surface.bounds[0]], [surface.bounds[3], surface.bounds[2]]);
      if (!picture) picture = new Picture(box, { pane: "wg-cases", interactive: false });
      picture.setBounds(box);
      if (values) { paint(values); picture.addTo(map); } else picture.remove();
    }

    function load() {
      if (centre.view.theme !== "heat" || !page.cases) return;
      const more = centre.player_frames ? { frames: centre.player_frames } : {};
      const now = centre.query(more);
      if (now === wanted && under_way) return;
      wanted = now;
      under_way = true;
      centre.ask("surface", "surface?" + wanted).then(function (told) {
        if (!told) return;
        under_way = false;
        surface = told;
        asked = wanted;
        fault = null;
        if (frame !== null && !(told.frames && told.frames.length)) frame = null;
        if (told.frames && frame !== null) frame = Math.min(frame, told.frames.length - 1);
        draw();
        centre.draw_legend();
        wangge.emit("surface", told);
        wangge.emit("step");
      }, function (error) { under_way = false; fault = error; centre.draw_legend(); });
    }

    function legend() {
      const say = wangge.say;
      if (fault) return { title: say("legend.cases_unit"), warning: centre.why(fault) };
      if (!surface) return { title: say("legend.cases_unit"), waiting: say("centre.reckoning") };
      const few = surface.few ? wangge.choose(surface.few.words) : "";
      const values = { days: centre.short(surface.days), cases: wangge.number(surface.cases), min: surface.min_cases, bandwidth: Math.round(surface.bandwidth_m), cell: Math.round(surface.cell_m) };
      const notes = [say("legend.cases_method", values), say("centre.heat_caveat")], area = centre.area();
      if (area) notes.push(say("centre.area_heat", { area: area.name() }));
      // where too few are inside, the warning says so already
      if (surface.outside && !(surface.few && few.indexOf(wangge.choose(surface.outside.words)) >= 0)) notes.push(wangge.choose(surface.outside.words));
      if (centre.figures && centre.figures.at_places) notes.push(say("centre.at_places"));
      if (differs() && frame === null) {
        const breaks = surface.difference.breaks, entries = [];
        for (let i = breaks.length; i >= 0; i--) {
          const lower = i === 0 ? null : breaks[i - 1], upper = i === breaks.length ? null : breaks[i];
          const middle = lower === null ? upper - 1e-6 : upper === null ? lower + 1e-6 : (lower + upper) / 2;
          const rgb = colour_of(middle, null);
          const text = lower === null ? say("centre.or_fewer", { value: centre.signed(upper) }) : upper === null ? say("centre.or_more", { value: centre.signed(lower) }) : say("centre.from_to", { lower: centre.signed(lower), upper: centre.signed(upper) });
          entries.push({ symbol: "fill", colour: "rgb(" + rgb.join(",") + ")", label: text });
        }
        return { title: say("centre.legend_heat_change"), entries: entries, notes: notes, warning: few };
      }
      const breaks = surface.breaks, ramp = centre.colours.ramp(page.colours.density, breaks.length + 1), entries = [];
      if (surface.values || frame !== null) {
        ramp.forEach(function (colour, at) {
          const label = at === breaks.length ? say("centre.or_more", { value: centre.short(breaks[at - 1]) }) : centre.short(at ? breaks[at - 1] : 0) + "–" + centre.short(breaks[at]);
          entries.push({ symbol: "fill", colour: colour, label: label });
        });
        entries.push({ symbol: "blank", label: say("legend.cases_floor", values) });
      }
      notes.push(say("centre.heat_fixed"));
      return { title: say("legend.cases_unit"), entries: entries, caveat: frame === null ? "" : say("centre.heat_step"), notes: notes, warning: few };
    }

    centre.surface = {
      told: function () { return surface; },
      show_frame: function (number) {
        const other = (frame === null) !== (number === null);
        frame = number;
        draw();
        if (other) centre.draw_legend();
        wangge.emit("step");
      },
      // the step that is shown, {begin, end}; null: the whole span
      step: function () { return centre.view.theme === "heat" && surface && frame !== null ? surface.frames[frame] || null : null; },
      load: load
    };
    centre.themes.heat = { show: function () { if (surface && asked === centre.query(centre.player_frames ? { frames: centre.player_frames } : {})) draw(); else load(); }, hide: function () { if (picture) picture.remove(); }, legend: legend, page: "heat", notebook: "02_heatmap" };
    wangge.on("view", function (names) { if (centre.asks_anew(names)) { asked = ""; load(); } });
    wangge.on("happened", function () { asked = ""; under_way = false; load(); });
    wangge.on("area", function () { if (centre.view.theme !== "heat") return; draw(); centre.draw_legend(); });
    load();

    const inputs = document.querySelectorAll("input[name=cc-heat]");
    const mark = function () { inputs.forEach(function (input) { input.checked = (input.value === "previous") === centre.view.previous; }); };
    inputs.forEach(function (input) { input.addEventListener("change", function () { centre.change({ previous: input.value === "previous" }); }); });
    wangge.on("view", mark);
    wangge.on("started", mark);
  });
})();
