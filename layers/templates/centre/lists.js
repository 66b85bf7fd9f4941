// The newest cases, those overdue, and the grids: entries and map belong together, by pointer and by arrow keys.
(function () {
  "use strict";

  centre.part(function (map, page) {
    const box = centre.node("cc-list"), tabs = Array.from(document.querySelectorAll(".cc-tabs [role=tab]")), badge = centre.node("cc-overdue-count");
    let current = 0;

    function entry(attributes, parts, act, hover) {
      const button = wangge.element("button", Object.assign({ type: "button", class: "cc-entry", tabindex: "-1" }, attributes));
      parts.forEach(function (part) { if (part) button.append(part); });
      button.addEventListener("click", act);
      ["mouseenter", "focus"].forEach(function (name) { button.addEventListener(name, function () { hover(true); }); });
      ["mouseleave", "blur"].forEach(function (name) { button.addEventListener(name, function () { hover(false); }); });
      return wangge.element("li", {}, button);
    }

    function cases(features, late) {
      return features.map(function (feature) {
        const told = feature.properties, id = String(feature.id), grid = centre.grid(told.grid);
        const overdue = centre.is_late(feature);
        const about = [];
        about.push(wangge.element("span", { class: "cc-status" }, centre.word("status", told.status)));
        if (told.tier && told.tier !== "grid") about.push(wangge.element("span", {}, centre.word("tier", told.tier)));
        if (grid) about.push(wangge.element("span", {}, centre.grid_name(grid) + (grid.head ? " · " + grid.head : "")));
        const small = wangge.element("small", {});
        about.forEach(function (part) { small.append(part); });
        const when = late && told.due ? wangge.say("centre.late_by", { time: centre.lasting(centre.now() - new Date(told.due)) }) : centre.when(told.time);
        return entry({ "data-id": id, class: "cc-entry" + (centre.fresh && centre.fresh.has(id) ? " cc-fresh" : "") + (overdue ? " cc-late" : "") },
          [wangge.element("b", {}, centre.named("category", told.category)), wangge.element("time", { datetime: told.time }, when), small],
          function () { centre.open_case(feature); }, function (on) { centre.point_at_case(on ? id : ""); });
      });
    }

    function grids() {
      const told = centre.rows_by_grid();
      const by_rate = Boolean(centre.view.rate), by_change = centre.view.previous;
      // with both, as on the map: the change of the rate
      const changed = function (row) { return by_rate ? row.rate_state === "hidden" ? null : row.rate_difference : row.difference; };
      const weight = function (grid) {
        const row = told[grid.code];
        if (!row) return -Infinity;
        if (by_change) { const change = changed(row); return change === null ? -Infinity : change; }
        if (by_rate) return row.rate === null || row.rate_state === "hidden" ? -Infinity : row.rate;
        return row.cases;
      };
      // grids that count together are one entry, that of the first
      const area = centre.area(), inside = page.grids.filter(function (grid) { return !area || area.grids.indexOf(grid.code) >= 0; });
      const codes_inside = new Set(inside.map(function (grid) { return grid.code; }));
      const ordered = inside.filter(function (grid) {
        const row = told[grid.code];
        return !row || row.grids.find(function (code) { return codes_inside.has(code); }) === grid.code;
      });
      if (centre.figures) ordered.sort(function (a, b) { return weight(b) - weight(a) || (a.code < b.code ? -1 : 1); });
      return ordered.slice(0, 300).map(function (grid) {
        const row = told[grid.code], small = wangge.element("small", {});
        let value = "";
        if (row) {
          value = by_change && changed(row) !== null ? centre.signed(changed(row)) : by_rate ? row.rate === null || row.rate_state === "hidden" ? wangge.say("centre.few_short") : centre.short(row.rate) + (row.rate_state === "unstable" ? " *" : "") : centre.short(row.cases);
          if (row.difference !== null) small.append(wangge.element("span", { class: "cc-" + (row.verdict || "chance") }, (row.verdict === "more" ? "▲ " : row.verdict === "fewer" ? "▼ " : "") + wangge.say("centre.tip_change", { change: centre.signed(row.difference) })));
        } else if (grid.households !== null) small.append(wangge.element("span", {}, wangge.say("card.households_short", { count: wangge.number(grid.households) })));
        if (grid.head && !(row && row.grids.length > 1)) small.append(wangge.element("span", {}, grid.head));
        const codes = row ? row.grids : [grid.code], joined = codes.length > 1;
        return entry({ "data-code": grid.code, "data-codes": codes.join(" "), "aria-current": codes.indexOf(centre.view.grid) >= 0 ? "true" : "false" },
          [wangge.element("b", {}, joined ? wangge.say("centre.grids_together", { names: row.label }) : wangge.say("centre.grid_named", { name: centre.grid_name(grid) })), wangge.element("time", {}, value), small],
          function () { centre.change({ grid: grid.code }); centre.fly_to_grid(grid.code); },
          function (on) { centre.point_at_grid(on ? grid.code : ""); });
      });
    }

    function draw() {
      const figures = centre.figures, kind = centre.view.list;
      const focused = document.activeElement && box.contains(document.activeElement) ? document.activeElement.dataset.id || document.activeElement.dataset.code : "";
      const rows = kind === "grids" ? grids() : figures ? cases((kind === "overdue" ? figures.overdue : figures.newest) || [], kind === "overdue") : [];
      tabs.forEach(function (tab) {
        const on = tab.dataset.list === kind;
        tab.setAttribute("aria-selected", on ? "true" : "false");
        tab.tabIndex = on ? 0 : -1;
        if (on) box.setAttribute("aria-labelledby", tab.id);
        if (tab.dataset.list === "overdue") tab.hidden = Boolean(figures) && figures.overdue === null;
      });
      if (badge) {
        badge.hidden = !figures || !figures.overdue_total;
        badge.textContent = figures && figures.overdue_total ? wangge.number(figures.overdue_total) : "";
      }
      if (rows.length) {
        const list = wangge.element("ul", {}), area = kind === "grids" ? centre.area() : null;
        list.append.apply(list, rows);
        box.replaceChildren(list);
        if (area) list.before(wangge.element("p", { class: "wg-note cc-list-area" }, area.name() + " · " + area.sums()));
        const total = kind === "overdue" ? figures.overdue_total : kind === "newest" ? figures.total : 0;
        if (total > rows.length) box.append(wangge.element("p", { class: "wg-note" }, wangge.say("centre.list_first", { shown: rows.length, total: wangge.number(total) })));
      } else box.replaceChildren(wangge.element("p", { class: "wg-note" }, figures || kind === "grids" ? wangge.say("centre.none_" + kind) : wangge.say("centre.loading")));
      const buttons = entries();
      current = Math.min(current, Math.max(0, buttons.length - 1));
      if (focused) {
        const again = buttons.findIndex(function (button) { return (button.dataset.id || button.dataset.code) === focused; });
        if (again >= 0) { current = again; buttons[again].focus(); }
      }
      if (buttons[current]) buttons[current].tabIndex = 0;
    }

    function entries() { return Array.from(box.querySelectorAll(".cc-entry")); }

    box.addEventListener("keydown", function (event) {
      const buttons = entries(), by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1000, End: 1000 }[event.key];
      if (!by || !buttons.length) return;
      event.preventDefault();
      if (buttons[current]) buttons[current].tabIndex = -1;
      current = Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(document.activeElement) + by));
      buttons[current].tabIndex = 0;
      buttons[current].focus();
    });
    tabs.forEach(function (tab, n) {
      tab.addEventListener("click", function () { current = 0; centre.change({ list: tab.dataset.list }); });
      tab.addEventListener("keydown", function (event) {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        event.preventDefault();
        const shown = tabs.filter(function (one) { return !one.hidden; });
        const next = shown[(shown.indexOf(tab) + by + shown.length) % shown.length];
        centre.change({ list: next.dataset.list });
        next.focus();
        void n;
      });
    });

    wangge.on("figures", draw);
    wangge.on("language", draw);
    wangge.on("area", draw);
    wangge.on("view", function (names) { if (["list", "grid", "rate", "previous"].some(function (name) { return names.has(name); })) draw(); });
    wangge.on("started", function () { if (!page.cases && centre.view.list !== "grids") centre.view.list = "grids"; draw(); });
    function mark(attribute, id) { entries().forEach(function (button) { button.classList.toggle("cc-hover", Boolean(id) && button.dataset[attribute] === id); }); }
    wangge.on("hover-case", function (id) {
      mark("id", id);
      const found = id && entries().find(function (button) { return button.dataset.id === id; });
      if (found && !centre.narrow()) found.scrollIntoView({ block: "nearest" });
    });
    wangge.on("hover-grid", function (code) {
      entries().forEach(function (button) { button.classList.toggle("cc-hover", Boolean(code) && (button.dataset.codes || "").split(" ").indexOf(code) >= 0); });
    });
    wangge.on("case-closed", function (id) {
      const found = entries().find(function (button) { return button.dataset.id === id; });
      if (found && (document.activeElement === document.body || !document.activeElement)) found.focus({ preventScroll: true });
    });
  });
})();
