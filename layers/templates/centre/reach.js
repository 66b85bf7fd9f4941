// Service reach: how far one walks to the nearest of a kind over the streets, whom that leaves out, and where one
// more would help most.
(function () {
  "use strict";
  const SITE = "+1";  // at the end of the choice: with the best place for one more

  centre.part(function (map, page) {
    wangge.pane(map, "cc-walks", 310);
    wangge.pane(map, "cc-homes", 545, true);
    wangge.pane(map, "cc-sites", 595, true);
    const layer = L.layerGroup(), sites = L.layerGroup();
    let told = null, advice = null, asked = "", old = false, fault = null;

    function kind() { return centre.view.choice.replace(SITE, "") || (page.reach[0] && page.reach[0].value) || ""; }
    function sited() { return centre.view.choice.slice(-SITE.length) === SITE; }
    function colour(n, many) { return centre.colours.ramp(page.colours.walks, many)[n]; }

    function here(place) { const area = centre.area(); return !area || area.contains(place.lat, place.lng); }

    // What is told of the area chosen: what its grids add up to; null where one of them is not told. Else the whole.
    function total() {
      const area = centre.area();
      if (!area) return told.total;
      const homes = {};
      page.grids.forEach(function (grid) { homes[grid.code] = grid.households; });
      const rows = told.by_grid.filter(function (row) { return area.grids.indexOf(row.grid) >= 0; });
      const weights = rows.map(function (row) { return row.households !== null && row.households !== undefined ? row.households : homes[row.grid]; });
      const sum = weights.reduce(function (all, one) { return all + (one || 0); }, 0);
      if (!sum || rows.length < area.grids.length || rows.some(function (row, n) { return !row.percent && weights[n] !== 0 || weights[n] === null || weights[n] === undefined; })) return { percent: null };
      return { percent: told.minutes.map(function (_, n) { return rows.reduce(function (all, row, at) { return all + (row.percent ? row.percent[n] * weights[at] : 0); }, 0) / sum; }) };
    }

    // Of which minutes the grids' own shares are told: the longest that leaves somebody out.
    function telling() {
      const shares = total().percent || [];
      for (let n = shares.length - 1; n > 0; n--) if (shares[n] < 99.5) return n;
      return 0;
    }

    function draw() {
      layer.clearLayers();
      sites.clearLayers();
      centre.paint_grids(null);
      if (centre.view.theme !== "reach") { layer.remove(); sites.remove(); return; }
      layer.addTo(map);
      sites.addTo(map);
      if (told) {
        // the longest walk first, the shorter ones upon it
        told.isochrones.features.forEach(function (feature) {
          const n = told.minutes.indexOf(feature.properties.minutes);
          L.geoJSON(feature, { pane: "cc-walks", interactive: false, style: { pane: "cc-walks", stroke: true, color: "#ffffff", weight: 1.5, fillColor: colour(n, told.minutes.length), fillOpacity: 0.95 } }).addTo(layer);
        });
        (told.unreached || []).filter(here).forEach(function (home) {
          L.circleMarker([home.lat, home.lng], { pane: "cc-homes", radius: 4.5, weight: 1.5, color: "#ffffff", fillColor: "#8f1d14", fillOpacity: 1 })
            .bindTooltip(function () {
              return wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, home.id),
                wangge.element("small", {}, home.minutes === null ? wangge.say("centre.no_way") : wangge.say("centre.walk", { minutes: centre.short(home.minutes) })));
            }, { direction: "top", className: "wg-tip-box", opacity: 1 }).addTo(layer);
        });
        told.facilities.forEach(function (place) {
          L.circleMarker([place.lat, place.lng], { pane: "cc-sites", radius: 7, weight: 3, color: place.serves ? "#17384a" : "#8a949a", fillColor: "#ffffff", opacity: place.serves || here(place) ? 1 : 0.35, fillOpacity: place.serves || here(place) ? 1 : 0.35 })
            .bindTooltip(function () { return wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, place.name || wangge.choose(told.label))); }, { direction: "top", className: "wg-tip-box", opacity: 1 }).addTo(layer);
        });
        const by_grid = {};
        told.by_grid.forEach(function (row) { by_grid[row.grid] = row; });
        centre.paint_grids(function (grid) {
          const row = by_grid[grid.code];
          return { text: row && row.percent ? Math.round(row.percent[telling()]) + "%" : "" };
        });
      }
      if (advice && sited()) {
        if (advice.isochrone) L.geoJSON(advice.isochrone, { pane: "cc-walks", interactive: false, style: { pane: "cc-walks", fill: false, color: "#7a3e9d", weight: 2.5, dashArray: "7 5" } }).addTo(sites);
        advice.sites.forEach(function (site) {
          L.marker([site.lat, site.lng], { pane: "cc-sites", keyboard: false, icon: L.divIcon({ className: "wg-number-at", html: wangge.element("div", { class: "cc-site" }, String(site.rank)), iconSize: [0, 0] }) })
            .bindTooltip(function () { return wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, wangge.choose(site.label)), wangge.element("small", {}, "+" + centre.short(site.percent) + "%")); }, { direction: "top", offset: [0, -16], className: "wg-tip-box", opacity: 1 }).addTo(sites);
        });
      }
    }

    wangge.tips.reach = function (grid) {
      const row = told && told.by_grid.find(function (one) { return one.grid === grid.code; });
      if (!row || !row.percent) return "";
      return told.minutes.map(function (minutes, n) { return wangge.say("centre.within", { minutes: minutes, percent: centre.short(row.percent[n]) }); }).join(wangge.language() === "zh" ? "，" : ", ");
    };

    function legend() {
      const say = wangge.say, name = page.reach.find(function (one) { return one.value === kind(); });
      const title = say("centre.legend_reach", { kind: name ? wangge.choose(name.label) : kind() });
      const action = { label: say(sited() ? "centre.site_hide" : "centre.site_show"), act: function () { centre.change({ choice: kind() + (sited() ? "" : SITE) }); } };
      if (fault && !told) return { title: title, warning: centre.why(fault) };
      if (!told) return { title: title, waiting: say("centre.reckoning") };
      const area = centre.area(), shares = total().percent, out = (told.unreached || []).filter(here).length;
      const entries = told.minutes.map(function (minutes, n) {
        const share = shares ? " · " + centre.short(shares[n]) + "%" : "";
        return { symbol: "fill", colour: colour(n, told.minutes.length), label: say("centre.minutes_walk", { minutes: minutes }) + share };
      });
      if (out) entries.push({ symbol: "dot", colour: "#8f1d14", label: say("centre.unreached", { count: wangge.number(out) }) });
      if (sited() && advice && advice.sites.length) entries.push({ symbol: "line", colour: "#7a3e9d", dashes: "5 4", label: say("centre.with_site") });
      const verdict = [area ? say(shares ? "centre.area_reach" : "centre.area_reach_withheld", { area: area.name(), minutes: told.minutes[telling()], percent: shares ? centre.short(shares[telling()]) : "" }) : wangge.choose(told.summary)].concat(sited() && advice ? [wangge.choose(advice.summary)] : []).join(" ");
      const notes = [wangge.choose(told.method)].concat(sited() && advice ? [wangge.choose(advice.method)] : []);
      const share = told.by_grid.some(function (row) { return row.percent; }) ? say("centre.grid_share", { minutes: told.minutes[telling()] }) : "";
      return { title: title, verdict: verdict, entries: entries, key: share, warning: fault ? centre.why(fault) : "", notes: notes, action: action };
    }

    function load() {
      if (centre.view.theme !== "reach" || !page.reach.length) return;
      const wanted = kind();
      fault = null;
      const failed = function (error) { fault = error; centre.draw_legend(); };
      const renewed = old && asked === wanted;  // the same question: the old picture stays until its answer is there
      old = false;
      if (!told || asked !== wanted || renewed) {
        if (!renewed) told = advice = null;
        draw();
        centre.draw_legend();
        centre.ask("reach", "reach?kind=" + encodeURIComponent(wanted)).then(function (answer) {
          if (!answer) return;
          told = answer;
          asked = wanted;
          draw();
          centre.draw_legend();
        }, failed);
      }
      if (sited() && (!advice || asked !== wanted || renewed)) {
        centre.ask("siting", "siting?kind=" + encodeURIComponent(wanted)).then(function (answer) {
          if (!answer) return;
          advice = answer;
          draw();
          centre.draw_legend();
        }, failed);
      }
      draw();
    }

    // walks change with grids, buildings and ways, not with cases
    wangge.on("happened", function (kinds) {
      if (!kinds || !["published", "reset"].some(function (kind) { return kinds.has(kind); })) return;
      old = true;
      load();
    });
    wangge.on("area", function () { if (centre.view.theme !== "reach") return; draw(); centre.draw_legend(); });
    centre.themes.reach = { show: load, hide: function () { centre.paint_grids(null); layer.remove(); sites.remove(); }, legend: legend, page: "reach" };
  });
})();
