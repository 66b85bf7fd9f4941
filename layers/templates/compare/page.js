// Two maps in step: what one shows, the other shows; a grid hovered or chosen on one is marked on both.
const compare = (function () {
  "use strict";
  const SIDES = ["left", "right"];
  const maps = {}, drawn = {};
  let page = null, chosen = "", moving = false;

  function unpack_line(whole) {
    const found = [];
    let lat = 0, lng = 0;
    for (let n = 0; n < whole.length; n += 2) {
      lat += whole[n];
      lng += whole[n + 1];
      found.push([lat / 1e6, lng / 1e6]);
    }
    return found;
  }

  function unpack(shapes) {
    return shapes.map(function (rings) { return rings.map(unpack_line); });
  }

  function by_kind(told, how) {
    const found = {};
    Object.keys(told || {}).forEach(function (kind) { found[kind] = how(told[kind]); });
    return found;
  }

  // the same grid on the other side: right codes → left codes in `page.twins`
  function twin(side, code) {
    if (side === "right") return page.twins[code] || "";
    return Object.keys(page.twins).find(function (one) { return page.twins[one] === code; }) || "";
  }

  function codes_of(side, code) {
    const other = twin(side, code);
    return side === "left" ? { left: code, right: other } : { left: other, right: code };
  }

  // a cell: a text, one in both languages, or nothing that may be told
  function said(cell) { return cell === null || typeof cell === "string" ? cell : wangge.choose(cell); }

  function is_dark(colour) {
    const part = function (at) { return parseInt(colour.slice(at, at + 2), 16); };
    return 0.299 * part(1) + 0.587 * part(3) + 0.114 * part(5) < 120;
  }

  function ground(map) {
    const told = page.ground || {}, lines = function (list) { return list.map(unpack_line); };
    wangge.drawers.base_map(map, {
      community: unpack(page.community), bounds: page.bounds, colours: page.colours, placed: true,
      streets: by_kind(told.streets, lines), bridges: by_kind(told.bridges, lines), tunnels: by_kind(told.tunnels, lines),
      names: (told.names || []).map(function (entry) { return { name: entry.name, class: entry.class, lines: lines(entry.lines) }; }),
      buildings: {}
    });
  }

  // a grid's colour by its figure
  function paint(map, entry) {
    if (!page.measure) return;
    const filled = wangge.choropleth.fill(page.measure, entry.grid.value, entry.grid.state);
    entry.dark = is_dark(filled.colour);
    entry.shape.setStyle({ fillColor: wangge.choropleth.paint(map.getRenderer(entry.shape)._container, page.measure, filled) });
  }

  function draw(side) {
    const map = maps[side], data = page[side], plans = page.kind === "plans";
    ground(map);
    wangge.pane(map, "wg-grids", 306, true);
    wangge.pane(map, "wg-moved", 345);
    wangge.pane(map, "wg-borders-casing", 428);
    wangge.pane(map, "wg-borders", 430);
    wangge.pane(map, "wg-changed", 438);
    wangge.pane(map, "wg-chosen", 436);
    wangge.pane(map, "wg-leaders", 558);
    wangge.pane(map, "wg-numbers", 560);
    const self = drawn[side] = { shapes: [], map: map };
    const plain = { interactive: false, smoothFactor: 0, fill: false };
    self.chosen = L.polygon([], Object.assign({ pane: "wg-chosen", color: "#17384a", weight: 5 }, plain)).addTo(map);
    self.hover = L.polygon([], Object.assign({ pane: "wg-chosen", color: "#17384a", weight: 3, dashArray: "6 4" }, plain)).addTo(map);
    self.cursor = L.circleMarker([0, 0], { pane: "wg-numbers", interactive: false, radius: 7, color: "#17384a", weight: 2, fillColor: "#ffffff", fillOpacity: 0.8 });
    self.leaders = L.polyline([], { pane: "wg-leaders", interactive: false, smoothFactor: 0, color: "#17303d", weight: 1.2 }).addTo(map);
    const shaped = new Map(page.left.grids.map(function (grid) { return [grid.code, grid]; }));
    data.grids.forEach(function (told) {
      // grids that are the same on both sides have their shapes on the left only
      const grid = told.rings ? told : Object.assign({}, shaped.get(told.code), told);
      const rings = unpack(grid.rings);
      L.polygon(rings, Object.assign({ pane: "wg-borders-casing", color: "#ffffff", weight: 4.5, opacity: 0.9, lineJoin: "round" }, plain)).addTo(map);
      L.polygon(rings, Object.assign({ pane: "wg-borders", color: "#34566a", weight: 1.5, lineJoin: "round" }, plain)).addTo(map);
      const shape = L.polygon(rings, { pane: "wg-grids", smoothFactor: 0, stroke: false, fillColor: grid.colour || "#ffffff", fillOpacity: plans ? 0.6 : 0.92, className: "wg-grid" }).addTo(map);
      const path = shape.getElement();
      path.setAttribute("tabindex", "0");
      path.setAttribute("role", "button");
      path.setAttribute("data-code", grid.code);
      const node = wangge.element("div", { class: "wg-number" }, wangge.element("b", {}, grid.label), wangge.element("small", {}));
      const number = L.marker(grid.centre, { pane: "wg-numbers", interactive: false, keyboard: false, icon: L.divIcon({ className: "wg-number-at", html: node, iconSize: [0, 0] }) }).addTo(map);
      const entry = { grid: grid, rings: rings, path: path, shape: shape, node: node, number: number, box: null, dark: false };
      paint(map, entry);
      shape.on("mouseover", function () { hover(side, grid.code); });
      shape.on("mouseout", function () { hover(side, ""); });
      shape.on("click", function () { choose(codes_of(side, grid.code), false); });
      path.addEventListener("focus", function () { if (path.matches(":focus-visible")) hover(side, grid.code); });
      path.addEventListener("blur", function () { hover(side, ""); });
      path.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(codes_of(side, grid.code), true); }
      });
      self.shapes.push(entry);
    });
    if (page.moved.length) {
      L.polygon(unpack(page.moved), { pane: "wg-moved", interactive: false, smoothFactor: 0, color: "#7a1f5c", weight: 1, fillColor: "#a5327f", fillOpacity: 0.75 }).addTo(map);
    }
    if (data.borders.length) {
      const lines = data.borders.map(unpack_line);
      L.polyline(lines, { pane: "wg-changed", interactive: false, smoothFactor: 0, color: "#ffffff", weight: 8, opacity: 0.9 }).addTo(map);
      L.polyline(lines, { pane: "wg-changed", interactive: false, smoothFactor: 0, color: "#b3261e", weight: 4, dashArray: side === "left" ? "7 7" : null, lineCap: "butt" }).addTo(map);
    }
    wangge.obstacles.push(function (asked) {
      return asked === map ? self.shapes.map(function (entry) { return entry.box; }).filter(Boolean) : [];
    });
    map.on("mousemove", function (event) { const other = drawn[side === "left" ? "right" : "left"]; other.cursor.setLatLng(event.latlng).addTo(other.map); });
    map.on("mouseout", function () { drawn[side === "left" ? "right" : "left"].cursor.remove(); });
    map.on("zoomend", function () { numbers(side); wangge.emit("labels"); });
  }

  function numbers(side) {
    const self = drawn[side], map = self.map, scale = wangge.metres_per_pixel(map);
    const labels = self.shapes.map(function (entry) {
      const radius = entry.grid.radius / scale, at = map.latLngToLayerPoint(entry.grid.centre), text = said(entry.grid.cells[0]);
      entry.small = radius < 20;
      entry.text = text !== null && radius > 16 ? text : "";
      return {
        x: at.x, y: at.y, radius: radius, priority: entry.grid.code === chosen ? 1 : 0,
        width: entry.text ? Math.max(entry.small ? 28 : 40, 6 + 7.2 * entry.text.length) : entry.small ? 28 : 38, height: entry.text ? entry.small ? 33 : 41 : entry.small ? 17 : 25
      };
    });
    const lines = [];
    const size = map.getSize(), first = map.containerPointToLayerPoint([0, 0]), last = map.containerPointToLayerPoint([size.x, size.y]);
    wangge.place_labels(labels, [], [first.x, first.y, last.x, last.y]).forEach(function (at, n) {
      const entry = self.shapes[n];
      entry.node.hidden = !at;
      entry.node.className = "wg-number" + (entry.small ? " wg-small" : "") + (entry.dark ? " cm-on-dark" : "");
      entry.node.lastChild.textContent = entry.text;
      entry.box = at ? [at.x - labels[n].width / 2, at.y - labels[n].height / 2, at.x + labels[n].width / 2, at.y + labels[n].height / 2] : null;
      if (!at) return;
      entry.number.setLatLng(map.layerPointToLatLng([at.x, at.y]));
      if (at.line) lines.push([map.layerPointToLatLng(at.line.slice(0, 2)), map.layerPointToLatLng(at.line.slice(2))]);
    });
    self.leaders.setLatLngs(lines);
  }

  function entry_of(side, code) {
    return drawn[side].shapes.find(function (entry) { return entry.grid.code === code; }) || null;
  }

  function hover(side, code) {
    const codes = code ? codes_of(side, code) : { left: "", right: "" };
    SIDES.forEach(function (one) {
      const entry = codes[one] ? entry_of(one, codes[one]) : null;
      drawn[one].hover.setLatLngs(entry ? entry.rings : []);
    });
  }

  function choose(codes, by_key) {
    chosen = codes.left || codes.right;
    SIDES.forEach(function (side) {
      const entry = codes[side] ? entry_of(side, codes[side]) : null;
      drawn[side].chosen.setLatLngs(entry ? entry.rings : []);
      numbers(side);
    });
    drawn.codes = chosen ? codes : null;
    tell();
    if (by_key && chosen) document.querySelector("#cm-grid h2").focus();
  }

  // both sides' figures of the grid chosen
  function tell() {
    const box = document.getElementById("cm-grid"), codes = drawn.codes;
    box.hidden = !codes;
    if (!codes) { box.replaceChildren(); return; }
    const found = { left: codes.left ? entry_of("left", codes.left) : null, right: codes.right ? entry_of("right", codes.right) : null };
    const label = (found.right || found.left).grid.label;
    const close = wangge.element("button", { type: "button", class: "wg-close", "aria-label": wangge.say("card.close"), title: wangge.say("card.close") }, "×");
    close.addEventListener("click", shut);
    const body = wangge.element("tbody", {});
    const cell = function (entry, n) {
      if (!entry) return wangge.element("td", {}, "–");
      const told = said(entry.grid.cells[n]);
      return wangge.element("td", {}, told === null ? wangge.say("card.not_known") : told);
    };
    const head = function (entry) { return wangge.element("td", { class: "cm-code" }, entry ? entry.grid.code : wangge.say("compare.absent")); };
    body.append(wangge.element("tr", {}, wangge.element("th", { scope: "row" }, wangge.say("compare.code")), head(found.left), head(found.right)));
    page.columns.forEach(function (column, n) {
      body.append(wangge.element("tr", {}, wangge.element("th", { scope: "row" }, wangge.choose(column)), cell(found.left, n), cell(found.right, n)));
    });
    box.replaceChildren(wangge.element("h2", { tabindex: "-1" }, wangge.say("compare.grid", { label: label })), close,
      wangge.element("table", { class: "cm-figures" },
        wangge.element("thead", {}, wangge.element("tr", {}, wangge.element("td", {}), wangge.element("th", { scope: "col" }, wangge.say("compare.side_left")), wangge.element("th", { scope: "col" }, wangge.say("compare.side_right")))), body));
  }

  function shut() { choose({ left: "", right: "" }, false); }

  function follow(one, other) {
    maps[one].on("move zoom", function () {
      if (moving) return;
      moving = true;
      maps[other].setView(maps[one].getCenter(), maps[one].getZoom(), { animate: false });
      moving = false;
    });
  }

  function whole() {
    const box = L.latLngBounds([page.bounds[1], page.bounds[0]], [page.bounds[3], page.bounds[2]]);
    SIDES.forEach(function (side) { maps[side].invalidateSize({ animate: false }); });
    maps.left.fitBounds(box, { padding: [14, 14], animate: false });
  }

  function legend() {
    if (!page.measure) return;
    const states = {};
    SIDES.forEach(function (side) {
      page[side].grids.forEach(function (grid) { states[wangge.choropleth.fill(page.measure, grid.value, grid.state).pattern] = true; });
    });
    // under both titles: what is compared is read by the same colours
    document.querySelectorAll(".cm-key").forEach(function (list) { wangge.choropleth.legend(list, page.measure, Object.keys(states)); });
  }

  function names() {
    SIDES.forEach(function (side) {
      maps[side].getContainer().setAttribute("aria-label", wangge.say("compare.map", { title: wangge.choose(page[side].title) }));
      drawn[side].shapes.forEach(function (entry) {
        const text = said(entry.grid.cells[0]);
        entry.path.setAttribute("aria-label", wangge.say("compare.select", { label: entry.grid.label, head: wangge.choose(page.columns[0]), value: text === null ? wangge.say("card.not_known") : text }));
      });
    });
    document.querySelectorAll("option[data-zh]").forEach(function (option) { option.textContent = option.getAttribute("data-" + wangge.language()); });
  }

  // a difference that is about grids leads to the first of them
  function pointing(within) {
    within.querySelectorAll("[data-grids]").forEach(function (button) {
      const codes = button.dataset.grids.split(" ");
      const first = entry_of("right", codes[0]) ? codes_of("right", codes[0]) : codes_of("left", codes[0]);
      button.addEventListener("click", function () { choose(first, false); bring(first); });
      button.addEventListener("mouseenter", function () { SIDES.forEach(function (side) { const entry = first[side] ? entry_of(side, first[side]) : null; drawn[side].hover.setLatLngs(entry ? entry.rings : []); }); });
      button.addEventListener("mouseleave", function () { hover("left", ""); });
    });
  }

  // --- live: a period that goes on is asked for anew when a case is told of ---

  // a text in both languages, as the page was made with them
  function both(tag, texts, attributes) {
    const language = texts.written ? { lang: texts.written } : {};
    return wangge.element(tag, Object.assign({ "data-zh": texts.zh, "data-en": texts.en }, language, attributes), wangge.choose(texts));
  }

  function renew(told) {
    const known = SIDES.every(function (side) { return told[side].grids.length === drawn[side].shapes.length && told[side].grids.every(function (grid) { return entry_of(side, grid.code); }); });
    // other grids are in force, or a period has ended and is compared by another measure
    if (!known || told.measure !== page.measure.name) { location.reload(); return; }
    SIDES.forEach(function (side) {
      const section = document.querySelector(".cm-side[data-side=" + side + "]");
      page[side].title = told[side].title;
      section.querySelector("h2").replaceChildren(both("span", told[side].title));
      section.querySelector(".cm-note").replaceChildren(both("span", told[side].note));
      told[side].grids.forEach(function (grid) {
        const entry = entry_of(side, grid.code);
        Object.assign(entry.grid, grid);
        paint(drawn[side].map, entry);
      });
      // the legend names the states that there are
      page[side].grids.forEach(function (grid) { Object.assign(grid, entry_of(side, grid.code).grid); });
      numbers(side);
    });
    const differences = document.getElementById("cm-differences"), list = wangge.element("ul", { class: "cm-differences" });
    told.differences.forEach(function (one) {
      const text = both("span", one.text), line = wangge.element("li", one.trend ? { class: "cm-" + one.trend } : {});
      line.append(one.grids.length ? wangge.element("button", { type: "button", "data-grids": one.grids.join(" ") }, text) : text);
      list.append(line);
    });
    differences.replaceChildren(differences.querySelector("h2"), told.differences.length ? list : both("p", told.none, { class: "wg-note" }));
    pointing(differences);
    document.querySelector("#cm-figures tbody").replaceChildren.apply(document.querySelector("#cm-figures tbody"), told.figures.map(function (line) {
      return wangge.element("tr", {}, wangge.element("th", { scope: "row" }, both("span", line.label)), wangge.element("td", {}, line.left), wangge.element("td", {}, line.right), wangge.element("td", {}, line.change));
    }));
    const basis = document.getElementById("cm-basis");
    basis.hidden = !told.basis.length;
    basis.replaceChildren.apply(basis, told.basis.map(function (line) { const words = wangge.element("p", {}); words.append(both("span", line)); return words; }));
    const notes = document.getElementById("cm-notes");
    if (notes) notes.replaceChildren.apply(notes, told.notes.map(function (note) { return both("p", note, { class: "wg-note" }); }));
    legend();
    names();
    tell();
  }

  function live() {
    const node = document.getElementById("cm-live"), words = document.getElementById("cm-live-words");
    let state = "waiting", asked = Date.now(), ear = null, waiting = null, again = null, tries = 0, first = true, estranged = false;

    function show() {
      const time = new Date(asked + 8 * 3600000).toISOString().slice(11, 16);  // in Beijing
      node.dataset.state = estranged ? "away" : state;
      if (estranged) { words.replaceChildren(wangge.say("centre.session_since", { time: time }) + " ", wangge.login()); return; }
      const text = wangge.say({ live: "compare.live", away: "compare.reconnecting", waiting: "compare.connecting" }[state], { time: time });
      if (words.textContent !== text) words.textContent = text;
    }

    function ask_again() {
      if (waiting) waiting.abort();
      const stop = waiting = new AbortController();
      fetch(location.href, { headers: { Accept: "application/json" }, credentials: "same-origin", signal: stop.signal }).then(function (answer) {
        return wangge.whose(answer, page).then(function (whose) {
          if (whose === "other") { location.reload(); return null; }
          if (whose === "own" && answer.ok) { estranged = false; return answer.json(); }
          if (whose === "ended") estranged = true;
          refused();
          return null;
        });
      }).then(function (told) {
        if (!told) return;
        asked = Date.now();
        tries = 0;
        if (state === "away") state = "live";
        renew(told);
        show();
      }, function (error) {
        if (error.name !== "AbortError") ear.lost();  // when it is back, what is shown is asked for anew
      });
    }

    // an answer, but not figures: the server is busy, or nobody is logged in any more
    function refused() {
      state = "away";
      show();
      clearTimeout(again);
      again = setTimeout(ask_again, Math.min(60000, 5000 * Math.pow(2, tries)));
      tries += 1;
    }

    ear = wangge.listen(page.events, page.code, {
      state: function (now) {
        state = now;
        show();
        // what happened since the page was made, and before it listened
        if (now === "live" && first) { first = false; ask_again(); }
      },
      happened: ask_again,
      asked: function () { return asked; }
    });
    wangge.on("language", show);
  }

  function ask(left, right) {
    const address = new URL(location.href);
    address.searchParams.set("left", left);
    address.searchParams.set("right", right);
    address.searchParams.set("lang", wangge.language());
    location.assign(address);
  }

  return {
    start: function (left, right) {
      page = wangge.page();
      maps.left = left;
      maps.right = right;
      SIDES.forEach(function (side) {
        maps[side].getContainer().setAttribute("role", "region");
        draw(side);
      });
      follow("left", "right");
      follow("right", "left");
      whole();
      SIDES.forEach(numbers);
      legend();
      const asked = new URLSearchParams(location.search).get("lang");
      if (asked && asked !== wangge.language()) wangge.translate(asked);
      names();
      document.querySelectorAll("[data-lang]").forEach(function (link) {
        link.addEventListener("click", function (event) {
          event.preventDefault();
          wangge.translate(link.dataset.lang);
          if (location.protocol.indexOf("http") === 0) {
            const address = new URL(location.href);
            address.searchParams.set("lang", wangge.language());
            history.replaceState(null, "", address);
          }
        });
      });
      wangge.on("language", function () { names(); legend(); tell(); SIDES.forEach(numbers); });
      document.querySelectorAll("select[data-side]").forEach(function (select) {
        select.addEventListener("change", function () {
          const chosen_now = Object.assign({}, page.selected);
          chosen_now[select.dataset.side] = select.value;
          ask(chosen_now.left, chosen_now.right);
        });
      });
      const swap = document.getElementById("cm-swap");
      if (swap) swap.addEventListener("click", function () { ask(page.selected.right, page.selected.left); });
      pointing(document);
      if (page.events) live();
      document.addEventListener("keydown", function (event) { if (event.key === "Escape" && drawn.codes) shut(); });
      L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 120 }).addTo(maps.left);
      L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 120 }).addTo(maps.right);
      L.control.zoom({ position: "bottomright" }).addTo(maps.right);
      wangge.emit("ready", maps.left);
      window.addEventListener("resize", function () { SIDES.forEach(function (side) { maps[side].invalidateSize({ animate: false }); }); });
      document.documentElement.setAttribute("data-ready", "true");
    }
  };

  function bring(codes) {
    const side = codes.right ? "right" : "left", entry = entry_of(side, codes[side]);
    const box = L.polygon(entry.rings).getBounds();
    if (!maps[side].getBounds().contains(box)) maps[side].panTo(box.getCenter(), { animate: false });
  }
})();
