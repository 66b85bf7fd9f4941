// The cases of the lists as points on the map: a list's entry and its point belong together.
(function () {
  "use strict";
  centre.part(function (map) {
    wangge.pane(map, "cc-cases", 550, true);
    const layer = L.layerGroup().addTo(map);
    let points = {}, open = "", popup = null;

    function key(feature) { return String(feature.id); }

    function style(feature, state) {
      const late = centre.is_late(feature), fresh = centre.fresh && centre.fresh.has(key(feature));
      const far = wangge.metres_per_pixel(map) > 1.1 || centre.view.theme === "grids";
      return {
        pane: "cc-cases", radius: (state === "hover" ? 10 : fresh ? 8 : far ? 4 : 5.5) * (centre.big() ? 1.4 : 1), weight: state === "hover" ? 3 : far ? 1.2 : 1.8,
        color: "#ffffff", fillColor: late ? "#8f1d14" : fresh ? "#0f5c66" : "#23414f", fillOpacity: 1, className: "cc-case" + (fresh ? " cc-fresh" : "")
      };
    }

    function draw() {
      const figures = centre.figures;
      if (!figures) return;
      // where people live and how far they walk is read without cases on it
      const apart = ["people", "reach"].indexOf(centre.view.theme) >= 0;
      const step = centre.surface.step(), begin = step && new Date(step.begin), end = step && new Date(step.end);
      const listed = apart ? [] : centre.view.list === "overdue" ? figures.overdue || [] : centre.view.list === "newest" ? figures.newest : [];
      const shown = step ? listed.filter(function (feature) { const at = new Date(feature.properties.time); return at >= begin && at < end; }) : listed;
      layer.clearLayers();
      points = {};
      shown.forEach(function (feature) {
        if (!feature.geometry) return;
        const at = L.latLng(feature.geometry.coordinates[1], feature.geometry.coordinates[0]);
        const point = L.circleMarker(at, style(feature)).addTo(layer);
        point.feature = feature;
        points[key(feature)] = point;
        point.bindTooltip(function () { return tip(feature); }, { direction: "top", offset: [0, -8], className: "wg-tip-box", opacity: 1 });
        point.on("mouseover", function () { centre.point_at_case(key(feature)); wangge.emit("hover-case", key(feature)); });
        point.on("mouseout", function () { centre.point_at_case(""); wangge.emit("hover-case", ""); });
        point.on("click", function (event) { L.DomEvent.stopPropagation(event); show(feature); });
      });
    }

    function tip(feature) {
      const told = feature.properties;
      const box = wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, centre.named("category", told.category)));
      box.append(wangge.element("small", {}, centre.when(told.time)));
      return box;
    }

    // What is known of a case, who answers for its grid, and what stands near it.
    function show(feature) {
      const told = feature.properties, say = wangge.say, list = wangge.element("dl", { class: "cc-facts" });
      const fact = function (name, value) { if (value) list.append(wangge.element("div", {}, wangge.element("dt", {}, say(name)), wangge.element("dd", {}, value))); };
      fact("centre.case_status", centre.word("status", told.status));
      fact("centre.case_time", centre.when(told.time));
      if (told.due) fact("centre.case_due", centre.when(told.due) + (centre.is_late(feature) ? " · " + say("centre.late_by", { time: centre.lasting(centre.now() - new Date(told.due)) }) : ""));
      if (told.tier) fact("centre.case_tier", centre.word("tier", told.tier));
      const grid = centre.grid(told.grid);
      const box = wangge.element("div", { class: "cc-popup" }, wangge.element("h3", { tabindex: "-1" }, centre.named("category", told.category)), list);
      if (grid) {
        const button = wangge.element("button", { type: "button", class: "cc-link" }, say("centre.grid_named", { name: centre.grid_name(grid) }) + (grid.head ? " · " + grid.head : ""));
        button.addEventListener("click", function () { map.closePopup(); centre.change({ grid: grid.code }); });
        list.append(wangge.element("div", {}, wangge.element("dt", {}, say("centre.case_grid")), wangge.element("dd", {}, button)));
      } else if (centre.figures.at_places) box.append(wangge.element("p", { class: "wg-note" }, say("centre.case_place")));
      const near = wangge.element("div", { class: "cc-near" }, wangge.element("p", { class: "wg-note" }, say("centre.near_asking")));
      box.append(near);
      open = key(feature);
      const at = [feature.geometry.coordinates[1], feature.geometry.coordinates[0]];
      popup = L.popup({ className: "cc-popup-box", autoPanPaddingTopLeft: centre.room().paddingTopLeft, autoPanPaddingBottomRight: centre.room().paddingBottomRight, maxWidth: 320, minWidth: 240, offset: [0, -4] })
        .setLatLng(at).setContent(box).openOn(map);
      box.querySelector("h3").focus({ preventScroll: true });
      nearby(at, near);
    }

    function nearby(at, box) {
      fetch(centre.page.nearby + "?lat=" + at[0] + "&lon=" + at[1] + "&radius=500&limit=200&lang=" + wangge.language(), { credentials: "same-origin", headers: { Accept: "application/geo+json" } })
        .then(function (answer) { if (!answer.ok) throw new Error(String(answer.status)); return answer.json(); })
        .then(function (told) {
          // the nearest of each kind: the third lamp helps nobody
          const seen = new Set();
          const nearest = told.features.filter(function (one) {
            const kind = centre.kind(one.properties.kind);
            return !seen.has(kind) && seen.add(kind);
          }).slice(0, 7);
          const rows = nearest.map(function (one) {
            const kind = centre.kind(one.properties.kind), name = one.properties.name || kind;
            return wangge.element("li", {}, wangge.element("span", {}, name === kind ? kind : name + " · " + kind), wangge.element("b", {}, Math.round(one.distance_m) + " m"));
          });
          box.replaceChildren(wangge.element("h4", {}, wangge.say("centre.near")));
          if (rows.length) { const list = wangge.element("ul", {}); list.append.apply(list, rows); box.append(list); }
          else box.append(wangge.element("p", { class: "wg-note" }, wangge.say("centre.near_none")));
          if (popup) popup.update();
        }).catch(function () { box.replaceChildren(); });
    }

    centre.kind = function (value) {
      const found = centre.page.facilities.find(function (one) { return one.kind === value || one.kind === "=" + value; });
      return found ? wangge.choose(found.label) : String(value || "");
    };
    // Now, as the lists know it: with data that end earlier, the moment at which they end, whatever time is shown.
    centre.now = function () {
      const figures = centre.figures;
      return figures && figures.anchor === "newest" ? new Date(figures.as_of).getTime() : Date.now();
    };
    centre.is_late = function (feature) {
      const told = feature.properties;
      return Boolean(told.due) && told.status !== "closed" && new Date(told.due).getTime() < centre.now();
    };
    centre.when = function (instant) {
      const at = centre.clock(instant);
      return (at.year === centre.clock(centre.now()).year ? at.day : at.date) + " " + at.time;
    };
    centre.open_case = function (feature) {
      if (!feature.geometry) return;
      const at = [feature.geometry.coordinates[1], feature.geometry.coordinates[0]];
      const zoom = Math.max(map.getZoom(), 17);
      if (centre.narrow()) centre.open_sheet("");  // it would cover the case
      centre.to_place(at, zoom);
      show(feature);
    };
    // The place in the middle of what the panels leave free, a little lower: its card stands above it.
    centre.to_place = function (at, zoom) {
      const room = centre.room(), size = map.getSize();
      const middle = L.point((room.paddingTopLeft[0] + size.x - room.paddingBottomRight[0]) / 2, (room.paddingTopLeft[1] + size.y - room.paddingBottomRight[1]) / 2 + (centre.narrow() ? 0 : 110));
      const target = map.unproject(map.project(at, zoom).subtract(middle.subtract(size.divideBy(2))), zoom);
      if (centre.calm()) map.setView(target, zoom, { animate: false }); else map.flyTo(target, zoom, { duration: 0.7 });
    };
    centre.point_at_case = function (id) {
      Object.keys(points).forEach(function (one) { points[one].setStyle(style(points[one].feature, one === id ? "hover" : "")); points[one].setRadius(style(points[one].feature, one === id ? "hover" : "").radius); });
      if (points[id]) points[id].bringToFront();
    };

    wangge.on("figures", draw);
    wangge.on("step", draw);
    wangge.on("view", function (names) { if (["list", "wall", "theme"].some(function (name) { return names.has(name); })) draw(); });
    map.on("zoomend", function () { centre.point_at_case(""); });
    wangge.on("escape", function () { map.closePopup(); });
    wangge.on("language", function () { if (open) map.closePopup(); });
    map.on("popupclose", function () { const id = open; open = ""; wangge.emit("case-closed", id); });
  });
})();
