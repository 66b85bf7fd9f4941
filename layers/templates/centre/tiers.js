// The levels of a place: all › community › area › grid › small grid. The way is told above the map, each step
// of it leads back, and what lies one level below is one step away. It stands in the address.
(function () {
  "use strict";
  // The area that is looked at alone: {id, name(), grids (codes), rings, contains(lat, lng), sums()}; null: none.
  // Whatever tells of cases, grids or people follows it: `area` is emitted when it changes.
  centre.area = function () { return null; };

  // a point in polygons, by the even-odd rule over all rings
  function inside(polygons, lat, lng) {
    let odd = false;
    polygons.forEach(function (rings) {
      rings.forEach(function (ring) {
        for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
          const a = ring[i], b = ring[j];
          if ((a[0] > lat) !== (b[0] > lat) && lng < (b[1] - a[1]) * (lat - a[0]) / (b[0] - a[0]) + a[1]) odd = !odd;
        }
      });
    });
    return odd;
  }

  centre.part(function (map, page) {
    const several = page.communities.length > 1;
    if (!several && !page.areas.length && !page.small_grids) return;
    wangge.pane(map, "cc-veil", 427);
    wangge.pane(map, "cc-areas", 433);
    wangge.pane(map, "cc-small", 434, true);
    const path = wangge.element("nav", { class: "cc-levels", "aria-label": wangge.say("centre.levels") });
    centre.node("cc-themes").append(path);
    const veil = L.polygon([], { pane: "cc-veil", interactive: false, smoothFactor: 0, stroke: false, fillColor: "#ffffff", fillOpacity: 0.6 }).addTo(map);
    const line = { pane: "cc-areas", interactive: false, smoothFactor: 0, fill: false, lineJoin: "round" };
    const casing = L.polygon([], Object.assign({ color: "#ffffff", weight: 6, opacity: 0.9 }, line)).addTo(map);
    const border = L.polygon([], Object.assign({ color: "#17384a", weight: 2.8 }, line)).addTo(map);
    const small = L.layerGroup().addTo(map);
    const known = {};  // small grids by the grid that they divide
    let divided = "";  // the grid whose small grids are on the map

    const areas = page.areas.map(function (area) {
      const rings = centre.unpack(area.rings);
      return { id: area.community + ":" + area.key, area: area, rings: rings, box: L.polygon(rings).getBounds() };
    });
    function find(id) { return areas.find(function (entry) { return entry.id === id; }) || null; }
    function above(entry) { return entry.area.parent ? find(entry.area.community + ":" + entry.area.parent) : null; }
    function below(entry) { return areas.filter(function (one) { return above(one) === entry; }); }
    function tops(community) { return areas.filter(function (one) { return one.area.community === community && !one.area.parent; }); }
    // the smallest area that a grid lies in
    function home(grid) {
      return areas.reduce(function (found, one) {
        const holds = one.area.community === grid.community && one.area.grids.indexOf(grid.code) >= 0;
        return holds && (!found || one.area.level > found.area.level) ? one : found;
      }, null);
    }

    areas.forEach(function (entry) {
      entry.grids = entry.area.grids;
      entry.name = function () { return name(entry); };
      entry.contains = function (lat, lng) { return inside(entry.rings, lat, lng); };
      entry.sums = function () { return sums(entry); };
    });
    centre.area = function () { return find(centre.view.area); };

    // Where one is: of a grid, where it lies; else the area chosen.
    function here() {
      const grid = centre.view.grid ? centre.grid(centre.view.grid) : null;
      const area = grid ? home(grid) : find(centre.view.area);
      const community = grid ? grid.community : area ? area.area.community : several ? centre.inside() : page.communities[0].code;
      return { grid: grid, area: area, community: community, small: grid ? part(grid, centre.view.small) : null };
    }

    // --- going there ---

    function fit(box) { centre.after_zoom(function () { map.fitBounds(box, Object.assign({ animate: false }, centre.room())); }); }
    function to_whole() {
      centre.change({ grid: "", area: "", small: "" });
      if (several) centre.leave(); else centre.whole();
    }
    function to_community(code) {
      centre.change({ grid: "", area: "", small: "" });
      centre.enter(code);
    }
    function to_area(entry) {
      centre.change({ area: entry.id, grid: "", small: "" });
      fit(entry.box);
    }
    function to_grid(code) {
      centre.change({ grid: code, small: "" });
      centre.fly_to_grid(code);
    }
    function to_small(feature) {
      centre.change({ small: feature.properties.key });
      if (centre.narrow()) centre.open_sheet("");  // its grid's card would stand on it
      fit(L.geoJSON(feature).getBounds());
    }

    // --- small grids: shapes, asked for when their grid is chosen ---

    function parts(grid) { return known[grid.code] || []; }
    function part(grid, key) { return parts(grid).find(function (one) { return one.properties.key === key; }) || null; }
    function within(parent) {
      const grid = centre.view.grid ? centre.grid(centre.view.grid) : null;
      return grid ? parts(grid).filter(function (one) { return one.properties.parent === parent; }) : [];
    }
    function ask(code) {
      if (!page.small_grids || !code || known[code]) return;
      known[code] = [];
      fetch(page.small_grids + "?f=json&limit=500&grids=" + encodeURIComponent(code), { headers: { Accept: "application/json" }, credentials: "same-origin" })
        .then(function (answer) { return answer.ok ? answer.json() : { features: null }; })
        .then(function (told) {
          if (!told.features) { delete known[code]; return; }
          const place = function (one) { return one.properties.key.slice(code.length + 1).split(".").map(Number); };
          known[code] = told.features.filter(function (one) { return one.properties.level > 0; }).sort(function (a, b) {
            return a.properties.level - b.properties.level || place(a).reduce(function (sum, n, at) { return sum || n - place(b)[at]; }, 0);
          });
          show();
        }, function () { delete known[code]; });  // asked again when the grid is
    }
    function short(feature) {
      const told = feature.properties;
      return capital(wangge.choose({ zh: told.tier_zh, en: told.tier_en })) + " " + told.key.split(".").pop();
    }
    function capital(words) { return words.charAt(0).toUpperCase() + words.slice(1); }
    function name(entry) { return capital(wangge.choose(entry.area.name)); }
    function draw_small(grid) {
      const shown = grid ? parts(grid) : [];
      const state = grid && shown.length ? grid.code + centre.view.small : "";
      if (state === divided) return;
      divided = state;
      small.clearLayers();
      const last = function (one) { return one.properties.key === centre.view.small ? 1 : 0; };  // above its neighbours
      shown.slice().sort(function (a, b) { return last(a) - last(b); }).forEach(function (one) {
        const on = one.properties.key === centre.view.small;
        L.geoJSON(one, { pane: "cc-small", interactive: false, style: { color: "#ffffff", weight: on ? 7 : 3.6, opacity: 0.9, fill: false } }).addTo(small);
        const drawn = L.geoJSON(one, { pane: "cc-small", style: { color: "#17384a", weight: on ? 4 : 1.6, dashArray: on ? null : "5 4", fillColor: "#ffffff", fillOpacity: 0.01, className: "cc-small-grid" } });
        drawn.bindTooltip(function () { return wangge.element("div", { class: "wg-tip" }, wangge.element("b", {}, capital(wangge.choose({ zh: one.properties.name_zh, en: one.properties.name_en })))); }, { sticky: true, direction: "top", offset: [0, -10], className: "wg-tip-box", opacity: 1 });
        drawn.on("click", function (event) { L.DomEvent.stop(event); to_small(one); });
        drawn.addTo(small);
      });
    }

    // --- the way, and what lies below ---

    // what the grids of an area add up to; a sum with an unknown part is none
    function sums(entry) {
      const grids = page.grids.filter(function (grid) { return entry.area.grids.indexOf(grid.code) >= 0; });
      const told = [wangge.say("centre.level_grids", { count: wangge.number(grids.length) })];
      if (grids.length && grids.every(function (grid) { return grid.households !== null; })) {
        told.push(wangge.say("card.households_short", { count: wangge.number(grids.reduce(function (sum, grid) { return sum + grid.households; }, 0)) }));
      }
      // while the figures of another area are on their way out, nothing is added up from them
      const whole = centre.figures && (!centre.figures.area || entry.area.grids.every(function (code) { return centre.figures.area.grids.indexOf(code) >= 0; }));
      if (whole) {
        const rows = centre.figures.by_grid.filter(function (row) { return row.grids.some(function (code) { return entry.area.grids.indexOf(code) >= 0; }); });
        const count = centre.short(rows.reduce(function (sum, row) { return sum + row.cases; }, 0));
        told.push(wangge.say(centre.figures.approximate ? "centre.level_cases_about" : "centre.level_cases", { count: count }));
      }
      return told.join(" · ");
    }

    function steps(at) {
      const made = [[several ? wangge.say("centre.level_whole", { count: page.communities.length }) : wangge.say("centre.level_one"), to_whole]];
      const community = several && page.communities.find(function (one) { return one.code === at.community; });
      if (community) made.push([community.name || community.code, function () { to_community(community.code); }]);
      const chain = [];
      for (let entry = at.area; entry; entry = above(entry)) chain.unshift(entry);
      chain.forEach(function (entry) { made.push([name(entry), function () { to_area(entry); }]); });
      if (at.grid) made.push([wangge.say("centre.grid_named", { name: at.grid.label }), function () { centre.change({ small: "" }); centre.fly_to_grid(at.grid.code); }]);
      if (at.small) made.push([short(at.small), null]);
      return made;
    }

    function next(at) {
      if (at.small) return within(at.small.properties.key).map(function (one) { return [short(one), function () { to_small(one); }]; });
      if (at.grid) return within(at.grid.code).map(function (one) { return [short(one), function () { to_small(one); }]; });
      const inner = at.area ? below(at.area) : at.community ? tops(at.community) : [];
      if (inner.length) return inner.map(function (entry) { return [name(entry), function () { to_area(entry); }]; });
      return at.area ? at.area.area.grids.map(function (code) { return [centre.grid(code) ? centre.grid(code).label : code.slice(-3), function () { to_grid(code); }]; }) : [];
    }

    const sum = wangge.element("small", {});
    let said = "";
    function tell(at) {
      const way = steps(at), down = next(at);
      const words = at.grid ? within(at.grid.code).length ? wangge.say("centre.level_shapes") : "" : at.area ? sums(at.area) : "";
      path.hidden = way.length < 2 && !down.length;
      sum.textContent = words;
      sum.hidden = !words;
      // no button is made anew while somebody may be pressing it
      const told = JSON.stringify([way.map(function (one) { return one[0]; }), down.map(function (one) { return one[0]; }), at.community, wangge.language()]);
      if (told === said) return;
      said = told;
      const focused = path.contains(document.activeElement);
      const line = wangge.element("div", { class: "cc-way" });
      way.forEach(function (step, n) {
        if (n) line.append(wangge.element("i", { "aria-hidden": "true" }, "›"));
        if (n === way.length - 1) { line.append(wangge.element("span", { "aria-current": "location", tabindex: "-1" }, step[0])); return; }
        line.append(button(step));
      });
      line.append(sum);
      path.replaceChildren(line);
      if (down.length) {
        const row = wangge.element("div", { class: "cc-below", role: "group", "aria-label": wangge.say("centre.level_within") });
        down.forEach(function (step) { row.append(button(step)); });
        path.append(row);
      }
      const place = path.querySelector("[aria-current]");
      if (focused) place.focus({ preventScroll: true });
      // on a phone the way is one line that scrolls: where one is stays in sight, with a step below it
      path.scrollLeft = 0;
      path.scrollLeft = Math.max(0, place.getBoundingClientRect().right + 80 - path.getBoundingClientRect().right);
    }
    function button(step) {
      const made = wangge.element("button", { type: "button" }, step[0]);
      made.addEventListener("click", step[1]);
      return made;
    }

    function show() {
      const at = here();
      const chosen = find(centre.view.area) || (at.grid ? null : at.area);
      const inner = chosen ? below(chosen) : [];
      // borders of areas are drawn where their grids are: not while communities stand for them
      const outlines = several && !at.community ? [] : areas.filter(function (one) {
        return one.area.community === at.community && (chosen ? one === chosen || inner.indexOf(one) >= 0 : true);
      }).map(function (one) { return one.rings; });
      casing.setLatLngs(outlines);
      border.setLatLngs(outlines);
      veil.setLatLngs(chosen ? areas.filter(function (one) { return one !== chosen && one.area.level === chosen.area.level && one.area.community === chosen.area.community; }).map(function (one) { return one.rings; }) : []);
      ask(at.grid ? at.grid.code : "");
      draw_small(at.grid);
      tell(at);
    }

    // how many facilities of a kind stand in it, beside the kind's name
    function count_facilities() {
      const area = centre.area();
      page.facilities.forEach(function (kind) {
        const input = Array.from(document.querySelectorAll("input[name=wg-kind]")).find(function (one) { return one.value === kind.kind; });
        const node = input && input.parentElement.querySelector(".cc-count");
        if (node) node.textContent = String(area ? kind.points.filter(function (at) { return area.contains(at[0], at[1]); }).length : kind.points.length);
      });
    }
    function follow() {
      count_facilities();
      wangge.emit("area", centre.area());
    }

    wangge.on("view", function (names) {
      if (names.has("grid")) {
        const grid = centre.view.grid ? centre.grid(centre.view.grid) : null, area = find(centre.view.area);
        const quiet = {};
        if (centre.view.small && (!grid || centre.view.small.indexOf(grid.code + ".") !== 0)) quiet.small = "";
        if (grid && area && area.area.grids.indexOf(grid.code) < 0) quiet.area = "";
        if (Object.keys(quiet).length) { centre.change(quiet, true); return; }
      }
      if (["grid", "area", "small"].some(function (name) { return names.has(name); })) show();
      if (names.has("area")) follow();
    });
    wangge.on("levels", show);
    wangge.on("figures", show);
    wangge.on("language", function () {
      path.setAttribute("aria-label", wangge.say("centre.levels"));
      divided = "";
      show();
    });
    wangge.on("started", function () {
      const entry = find(centre.view.area);
      if (entry && !centre.view.at) fit(entry.box);
      show();
      if (entry) follow();
    });
  });
})();
