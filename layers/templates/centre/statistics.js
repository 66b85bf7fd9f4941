// Hot spots and clusters: what is more than chance, said first and plainly; then the map, its method and caveat.
(function () {
  "use strict";
  // by kind: colour of a unit; kinds of rates (1 … 5) have those of a sequence, nothing means not filled
  const LIKE = { hot: "hot", cold: "cold", high: "high_low", low: "low_high", more: "hot", fewer: "cold", cluster: "hot", cluster_low: "cold" };
  const PLAIN = ["none", "alone", "control"];
  const HATCHED = ["unknown", "hidden", "few"];
  const LEAST_MS = 10000;  // between two answers after changes: a statistic takes the server seconds

  centre.part(function (map, page) {
    wangge.pane(map, "cc-units", 310, true);
    wangge.pane(map, "cc-circles", 438, true);
    const layer = L.layerGroup();
    const renderer = map.getRenderer(L.polygon([], { pane: "cc-units" }));
    renderer.addTo(map);
    let told = null, asked = "", told_of = "", fault = null, under_way = "", stale = false, again = null, renewed = 0;

    // "gi", or "gi@grids": a method, and the units that it is asked for
    function method() { return centre.view.choice.split("@")[0] || (page.statistics[0] && page.statistics[0].value) || ""; }
    function units() { return centre.view.choice.split("@")[1] || ""; }

    function colour(kind) {
      if (/^[1-5]$/.test(kind)) return page.colours.cases[Number(kind) - 1];
      if (LIKE[kind]) return page.colours.spots[LIKE[kind]];
      return page.colours.spots.none;
    }

    // too few cases for a rate: the same pattern as on the grids
    function hatched() {
      const spec = page.classes.households;
      return wangge.choropleth.paint(renderer._container, spec, wangge.choropleth.fill(spec, null, "few"));
    }

    function draw() {
      layer.clearLayers();
      centre.paint_grids(null);
      if (!told || centre.view.theme !== "statistics") return;
      layer.addTo(map);
      if (told.answered) {
        told.units.features.forEach(function (unit) {
          const kind = String(unit.properties.kind);
          if (HATCHED.indexOf(kind) >= 0 && kind !== "hidden") return;
          const plain = PLAIN.indexOf(kind) >= 0;
          const shape = L.geoJSON(unit, {
            pane: "cc-units",
            style: { pane: "cc-units", stroke: true, weight: 0.6, color: "#ffffff", opacity: plain ? 0.4 : 0.9, fillColor: kind === "hidden" ? hatched() : colour(kind), fillOpacity: plain ? 0.28 : 0.82 },
            pointToLayer: function (feature, at) { return L.circleMarker(at, { pane: "cc-units", radius: 6 }); }
          });
          shape.bindTooltip(function () { return unit_tip(unit.properties); }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
          shape.on("click", function (event) { pick(event.latlng); });
          shape.addTo(layer);
        });
      }
      if (told.clusters) told.clusters.features.forEach(circle);
    }

    function circle(feature) {
      const of = feature.properties, sure = of.found;
      const area = centre.area(), at = L.geoJSON(feature).getBounds().getCenter();
      const pale = area && !area.contains(at.lat, at.lng) ? 0.3 : 1;  // beside the area that is looked at
      const style = { pane: "cc-circles", color: of.high ? "#8f1d14" : "#1d5690", weight: sure ? 3.5 : 1.5, opacity: pale * (sure ? 1 : 0.55), dashArray: sure ? null : "5 5", fill: true, fillOpacity: pale * (sure ? 0.1 : 0.02), fillColor: of.high ? "#b2182b" : "#2166ac" };
      const shape = L.geoJSON(feature, {
        pane: "cc-circles", style: style,
        pointToLayer: function (point, at) { return L.circle(at, Object.assign({ radius: of.radius_m }, style)); }
      });
      shape.bindTooltip(function () {
        const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, wangge.choose(of.label)));
        box.append(wangge.element("small", {}, cluster_words(of)));
        return box;
      }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
      shape.on("click", function (event) { pick(event.latlng); });
      shape.addTo(layer);
      if (sure) {
        const bounds = shape.getBounds();
        L.marker([bounds.getNorth(), bounds.getCenter().lng], {
          pane: "wg-numbers", interactive: false, keyboard: false, opacity: pale,
          icon: L.divIcon({ className: "wg-number-at", html: wangge.element("div", { class: "cc-cluster" + (of.high ? "" : " cc-low") }, String(of.number)), iconSize: [0, 0] })
        }).addTo(layer);
      }
    }

    function cluster_words(of) {
      return wangge.say("centre.cluster", { cases: centre.short(of.cases), expected: centre.short(of.expected), p: chance(of.p) }) + (of.days ? " · " + wangge.say("centre.days", { count: of.days }) : "");
    }

    function chance(p) { return p === null || p === undefined ? "–" : p < 0.001 ? "<0.001" : "=" + p.toFixed(3); }

    function unit_tip(of) {
      const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, kind_label(of.kind)));
      const line = function (text) { box.append(wangge.element("small", {}, text)); };
      line(wangge.say("centre.tip_cases", { count: centre.short(of.cases) }) + (of.expected ? " · " + wangge.say("centre.expected", { count: centre.short(of.expected) }) : ""));
      if (of.before !== undefined && of.before !== null) line(wangge.say("centre.before", { count: centre.short(of.before) }));
      if (of.smoothed !== undefined && of.smoothed !== null) line(wangge.say("centre.smoothed", { rate: centre.short(of.smoothed), raw: of.rate === null ? "–" : centre.short(of.rate) }));
      const q = of.q === undefined || of.q === null ? of.p : of.q;
      if (q !== undefined && q !== null) line((of.q === undefined || of.q === null ? "p" : "q") + " " + chance(q));
      return box;
    }

    function kind_label(kind) {
      const found = told.legend.find(function (entry) { return String(entry.kind) === String(kind); });
      return found ? wangge.choose(found.label) : String(kind);
    }

    // The grid below a cell or circle that was clicked.
    function pick(at) {
      const found = centre.grid_at(at);
      if (found) centre.change({ grid: found });
    }

    function legend() {
      const name = page.statistics.find(function (one) { return one.value === method(); });
      const title = name ? wangge.choose(name.label) : wangge.say("centre.theme_statistics");
      if (fault && !told) return { title: title, warning: centre.why(fault), controls: controls() };
      if (!told) return { title: title, waiting: wangge.say("centre.reckoning"), controls: controls() };
      const entries = !told.answered ? [] : told.legend.filter(function (entry) { return entry.units > 0 || !/unknown|hidden|few|alone/.test(entry.kind); }).map(function (entry) {
        const kind = String(entry.kind);
        return { symbol: kind === "hidden" ? "hatch" : kind === "unknown" || kind === "few" ? "blank" : "fill", colour: colour(kind), label: wangge.choose(entry.label) + (entry.units ? " · " + wangge.number(entry.units) : "") };
      });
      const notes = told.notes.map(wangge.choose);
      if (told.approximate) notes.push(wangge.say("centre.at_places"));
      const area = centre.area(), caveat = [once(told.caveat, told.verdict)].concat(area ? [wangge.say("centre.area_statistics", { area: area.name() })] : []).filter(Boolean).join(" ");
      return {
        title: wangge.choose(told.title), warning: fault ? centre.why(fault) : "", verdict: wangge.choose(told.verdict), entries: entries,
        method: once(told.words, told.title), caveat: caveat, notes: notes, action: other_units(), controls: controls()
      };
    }

    // What is not said above already: where nothing could be asked, there is no more to tell of it.
    function once(text, said) { return wangge.choose(text) === wangge.choose(said) ? "" : wangge.choose(text); }

    function controls() {
      const plain = ["rates", "compare"].indexOf(method()) >= 0 ? "grids" : "cells";
      return centre.finer.controls(method(), (units() || plain) === "cells");
    }

    function other_units() {
      const now = told.parameters && told.parameters.units;
      if (now !== "cells" && now !== "grids") return null;
      const other = now === "cells" ? "grids" : "cells";
      return { label: wangge.say("centre.by_" + other), act: function () { centre.change({ choice: method() + "@" + other }); } };
    }

    function load() {
      if (centre.view.theme !== "statistics" || !page.statistics.length) return;
      const wanted = "statistics/" + method() + "?" + centre.query(Object.assign(units() ? { units: units() } : {}, centre.finer.asked(centre.view)));
      if (wanted === asked && told) { draw(); centre.draw_legend(); return; }
      if (wanted === under_way) return;
      // of the same question the old picture stays until the new one is there
      if (wanted !== told_of) { told = null; told_of = ""; }
      fault = null;
      stale = false;
      under_way = wanted;
      draw();
      centre.draw_legend();
      centre.ask("statistics", wanted).then(function (answer) {
        if (!answer) return;
        under_way = "";
        told = answer;
        asked = told_of = wanted;
        draw();
        centre.draw_legend();
        if (stale) renew();
      }, function (error) {
        under_way = "";
        fault = error;
        centre.draw_legend();
        if (told) renew();
      });
    }

    // The cases changed: asked anew, but not while an answer is under way and not too often.
    function renew() {
      asked = "";
      stale = true;
      if (again || under_way) return;
      again = setTimeout(function () {
        again = null;
        if (!stale || under_way) return;
        renewed = Date.now();
        load();
      }, Math.max(0, renewed + LEAST_MS - Date.now()));
    }

    centre.themes.statistics = { show: load, hide: function () { layer.remove(); }, legend: legend, page: "statistics", notebook: "03_hot_spots" };
    wangge.on("view", function (names) { if (centre.asks_anew(names) || names.has("finer")) load(); });
    wangge.on("happened", renew);
    wangge.on("area", function () { if (centre.view.theme !== "statistics") return; draw(); centre.draw_legend(); });
  });
})();
