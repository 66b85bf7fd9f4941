// The card of a grid from its data (layers/cards.py), in the page's language. Every text is set as text.
(function () {
  "use strict";
  var element = wangge.element, svg = wangge.svg;

  function row(label, value, more) {
    return element("div", {}, element("dt", {}, label), element("dd", {}, value, more ? element("small", {}, more) : null));
  }

  function section(title, more) {
    return element("section", { class: "wg-card-section" }, element("h3", {}, title, more ? element("span", {}, more) : null));
  }

  // households against the profile's range, on a scale that ends a quarter beyond the upper bound or the value
  function gauge(households, lower, upper) {
    var end = Math.max(upper * 1.25, households * 1.1);
    var state = households < lower ? "below_range" : households > upper ? "above_range" : "in_range";
    var drawing = svg("svg", { class: "wg-gauge wg-" + state, viewBox: "0 0 280 18", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { x: 0, y: 7, width: 280, height: 4, rx: 2, class: "wg-gauge-all" }),
      svg("rect", { x: 280 * lower / end, y: 7, width: 280 * (upper - lower) / end, height: 4, class: "wg-gauge-range" }),
      svg("rect", { x: Math.max(0, 280 * households / end - 2), y: 2, width: 4, height: 14, rx: 2, class: "wg-gauge-value" }));
    var words = wangge.say("card." + state, { lower: wangge.number(lower), upper: wangge.number(upper) });
    return element("div", { class: "wg-gauge-box" }, drawing, element("p", { class: "wg-note" }, words));
  }

  // Cases by month as bars on a scale that begins at nought; the same as a table for those who hear the page.
  function months(data, about) {
    var most = data.reduce(function (high, month) { return Math.max(high, month.cases); }, 0);
    var wide = 280, high = 56, step = wide / data.length, bar = Math.min(22, step * 0.72);
    var drawing = svg("svg", { class: "wg-months", viewBox: "0 0 " + wide + " " + (high + 32), role: "img", "aria-label": wangge.say("card.months_label", { most: wangge.number(most) }) });
    data.forEach(function (month, n) {
      var tall = most ? high * month.cases / most : 0, x = n * step + (step - bar) / 2;
      drawing.append(svg("rect", { x: x, y: 14 + high - tall, width: bar, height: Math.max(tall, month.cases ? 1.5 : 0), rx: 1.5, class: month.whole ? "wg-month" : "wg-month wg-part" }));
      if (month.cases && (data.length <= 8 || month.cases === most)) {
        var figure = svg("text", { x: x + bar / 2, y: 10 + high - tall, class: "wg-month-figure" });
        figure.textContent = wangge.number(month.cases);
        drawing.append(figure);
      }
      var number = Number(month.month.slice(5));
      // a name with its year is as wide as three of twelve bars, one without as two
      var last = data.length - 1, room = number === 1 ? n > 3 && last - n > 2 : n > 2 && last - n > 1;
      if (data.length <= 7 || n === 0 || n === last || number % 3 === 1 && room) {
        var name = svg("text", { x: n ? x + bar / 2 : x, y: high + 28, class: n ? "wg-month-name" : "wg-month-name wg-first" });
        name.textContent = number === 1 || n === 0 ? wangge.month(month.month, true) : wangge.month_name(month.month, true);
        drawing.append(name);
      }
    });
    drawing.append(svg("line", { x1: 0, y1: 14.5 + high, x2: wide, y2: 14.5 + high, class: "wg-months-line" }));
    var body = element("tbody", {});
    data.forEach(function (month) {
      body.append(element("tr", {}, element("th", { scope: "row" }, wangge.month(month.month)),
        element("td", {}, wangge.number(month.cases), month.whole ? null : element("small", {}, " " + wangge.say("card.month_part")))));
    });
    var table = element("details", { class: "wg-as-table" }, element("summary", {}, wangge.say("card.as_table")),
      element("table", {}, element("caption", {}, wangge.say(about ? "card.months_about" : "card.months")),
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, wangge.say("card.month_head")), element("th", { scope: "col" }, wangge.say("card.cases_head")))), body));
    var figure_box = element("figure", { class: "wg-figure" }, element("figcaption", { class: "wg-note" }, wangge.say(about ? "card.months_about" : "card.months")), drawing, table);
    if (data.some(function (month) { return !month.whole; })) table.before(element("p", { class: "wg-note wg-legend-part" }, wangge.say("card.month_pale")));
    return figure_box;
  }

  function staff(told) {
    var made = section(wangge.say("card.staff"), told.vacancies ? wangge.say("card.vacancies", { count: told.vacancies }) : null);
    if (told.vacancies) made.querySelector("h3 span").className = "wg-vacant";
    if (!told.posts.length) made.append(element("p", { class: "wg-vacant" }, wangge.say("card.no_staff")));
    var list = element("ul", { class: "wg-people" });
    told.posts.forEach(function (post) {
      post.people.forEach(function (person) {
        var phone = person.phone ? element("a", { href: "tel:" + person.phone.replace(/[^\d+]/g, "") }, person.phone) : null;
        list.append(element("li", {}, element("span", { class: "wg-role" }, wangge.choose(person.role)), element("b", {}, person.name), phone));
      });
      for (var n = 0; n < post.vacancies; n++) {
        list.append(element("li", {}, element("span", { class: "wg-role" }, wangge.choose(post.title)), element("b", { class: "wg-vacant" }, wangge.say("card.vacant"))));
      }
    });
    if (told.posts.length) made.append(list);
    return made;
  }

  // The grid's buildings, asked for when somebody wants them: what the reader may know of each, and where it stands.
  function buildings(box, card, map) {
    var link = card.links.find(function (one) { return one.rel === "buildings"; });
    if (!link || !map) return null;
    var made = section(wangge.say("card.buildings")), button = element("button", { type: "button", class: "wg-button wg-quiet wg-slim" }, wangge.say("card.show_buildings"));
    made.append(button);
    if (box.wg_buildings && box.wg_buildings.code !== card.code) {
      box.wg_buildings.layer.remove();
      box.wg_buildings = null;
    }
    if (box.wg_buildings) list_buildings(made, box.wg_buildings, button);
    button.addEventListener("click", function () {
      var address = new URL(link.href);
      address.searchParams.set("limit", "500");
      button.disabled = true;
      fetch(address.pathname + address.search, { headers: { Accept: "application/geo+json" } }).then(function (answer) {
        if (!answer.ok) throw new Error(String(answer.status));
        return answer.json();
      }).then(function (told) {
        if (!box.contains(made)) return;
        wangge.pane(map, "wg-card-buildings", 437, true);
        var kept = { code: card.code, features: told.features, layer: L.layerGroup().addTo(map) };
        kept.shapes = told.features.map(function (feature) {
          return L.geoJSON(feature, { pane: "wg-card-buildings", style: { color: "#17384a", weight: 1.5, fillColor: "#ffffff", fillOpacity: 0.35 } }).addTo(kept.layer);
        });
        box.wg_buildings = kept;
        list_buildings(made, kept, button);
      }).catch(function () {
        button.disabled = false;
        button.after(element("p", { class: "wg-vacant", role: "alert" }, wangge.say("card.buildings_fault")));
      });
    });
    return made;
  }

  var COLUMNS = [["building_id", "card.building"], ["use", "card.use"], ["floors", "card.floors"], ["households", "card.households"]];

  function list_buildings(made, kept, button) {
    button.remove();
    // only what the reader may see is in the answer
    var columns = COLUMNS.filter(function (column) { return kept.features.some(function (feature) { return column[0] in feature.properties; }); });
    var head = element("tr", {});
    columns.forEach(function (column) { head.append(element("th", { scope: "col" }, wangge.say(column[1]))); });
    var body = element("tbody", {});
    kept.features.forEach(function (feature, n) {
      var line = element("tr", {}), shape = kept.shapes[n];
      columns.forEach(function (column, place) {
        var value = feature.properties[column[0]], text = value === null || value === undefined || value === "" ? "–" : String(value);
        line.append(place ? element("td", {}, text) : element("th", { scope: "row" }, text));
      });
      function light(on) { shape.setStyle({ weight: on ? 3 : 1.5, fillColor: on ? "#e0a23a" : "#ffffff", fillOpacity: on ? 0.85 : 0.35 }); line.classList.toggle("wg-lit", on); }
      line.addEventListener("mouseenter", function () { light(true); });
      line.addEventListener("mouseleave", function () { light(false); });
      shape.off();
      shape.on("mouseover", function () { light(true); });
      shape.on("mouseout", function () { light(false); });
      shape.on("click", function () { line.scrollIntoView({ block: "nearest" }); });
      body.append(line);
    });
    made.append(element("div", { class: "wg-buildings", tabindex: "0" }, element("table", {}, element("thead", {}, head), body)));
  }

  // Take away what the card of `box` drew on the map.
  wangge.clear_card = function (box) {
    if (box.wg_buildings) box.wg_buildings.layer.remove();
    box.wg_buildings = null;
  };

  // Write the card into `box`. options: colour (of the grid), close (what the button does; none: no button),
  // links (false: leave the links out), more (section that the page adds before the links), map (on which the
  // grid's buildings may be shown; none: they are not offered)
  wangge.write_card = function (box, card, options) {
    var given = options || {}, figures = card.figures;
    var head = element("header", {},
      element("p", { class: "wg-eyebrow" }, wangge.say("card.grid")),
      element("h2", { tabindex: "-1" }, card.label),
      card.name && card.name !== card.code && card.name !== card.label ? element("p", { class: "wg-card-name" }, card.name) : null,
      element("p", { class: "wg-code" }, card.code));
    if (given.close) {
      var close = element("button", { type: "button", class: "wg-close", "aria-label": wangge.say("card.close"), title: wangge.say("card.close") }, "×");
      close.addEventListener("click", given.close);
      head.append(close);
    }
    if (given.colour) head.style.setProperty("--wg-grid", given.colour);
    var list = element("dl", { class: "wg-card-figures" },
      row(wangge.say("card.households"), wangge.number(figures.households)),
      row(wangge.say("card.residents"), wangge.number(figures.residents)),
      row(wangge.say("card.buildings"), wangge.number(figures.buildings),
        figures.buildings_unknown ? wangge.say("card.unknown_buildings", { count: figures.buildings_unknown }) : null),
      row(wangge.say("card.area"), figures.area_m2 === null ? wangge.say("card.not_known") : (figures.area_m2 / 10000).toFixed(2)));
    box.classList.add("wg-grid-card");
    box.replaceChildren(head, list);
    if (card.range && figures.households !== null) box.append(gauge(figures.households, card.range.lower, card.range.upper));

    if (wangge.choose(card.bounds)) {
      var bounds = section(wangge.say("card.bounds"));
      bounds.append(element("p", { class: "wg-note" }, wangge.choose(card.bounds)));
      box.append(bounds);
    }
    box.append(staff(card.staff));

    if (card.cases) {
      var count = card.cases.last_30_days;
      var cases = section(wangge.say("card.cases"), count === null ? null :
        wangge.say(card.cases.about ? "card.cases_about" : "card.cases_count", { count: wangge.number(count) }));
      if (card.cases.together) cases.append(element("p", { class: "wg-note" }, wangge.say("card.cases_together", { names: card.cases.together })));
      if (card.cases.months.length) cases.append(months(card.cases.months, card.cases.about));
      var recent = element("ul", { class: "wg-recent" });
      card.cases.recent.forEach(function (event) {
        recent.append(element("li", {}, element("time", {}, event.date), element("b", {}, wangge.words(event.category)), element("span", {}, wangge.choose(event.status))));
      });
      if (card.cases.recent.length) cases.append(recent);
      box.append(cases);
    }
    if (card.groups.length) {
      var groups = section(wangge.say("card.groups"));
      var lines = element("dl", { class: "wg-lines" });
      card.groups.forEach(function (group) { lines.append(row(wangge.choose(group.label), wangge.choose(group.value))); });
      groups.append(lines);
      box.append(groups);
    }
    if (card.facilities.length) {
      var places = section(wangge.say("card.facilities"));
      var kinds = element("dl", { class: "wg-lines wg-kinds" });
      card.facilities.forEach(function (kind) { kinds.append(row(wangge.choose(kind.label), wangge.number(kind.count))); });
      places.append(kinds);
      box.append(places);
    }
    var homes = buildings(box, card, given.map);
    if (homes) box.append(homes);
    if (given.more) box.append(given.more);
    if (card.freshness.length) {
      var fresh = section(wangge.say("card.freshness"));
      var dates = element("dl", { class: "wg-lines wg-kinds" });
      card.freshness.forEach(function (layer) { dates.append(row(wangge.choose(layer.label), layer.at.slice(0, 10))); });
      fresh.append(dates);
      box.append(fresh);
    }
    if (card.links.length && given.links !== false) {
      var links = section(wangge.say("card.links"));
      var addresses = element("ul", { class: "wg-card-links" });
      card.links.forEach(function (link) {
        if (!link.title) return;
        addresses.append(element("li", {}, element("a", { href: link.href }, wangge.choose(link.title))));
      });
      if (addresses.children.length) { links.append(addresses); box.append(links); }
    }
  };
})();
