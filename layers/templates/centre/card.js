// The card of the grid chosen, in the place of the overview; Escape or × leads back.
(function () {
  "use strict";
  const LEAST_MS = 10000;  // between two askings for one card: exact figures on it go on record each time

  centre.part(function (map, page) {
    const card = centre.node("cc-card"), overview = centre.node("cc-overview");
    let shown = "", told = null, seen = "", asked = 0, again = null;

    function close() {
      const within = card.contains(document.activeElement), code = shown;
      shown = "";
      told = null;
      wangge.clear_card(card);
      card.hidden = true;
      overview.hidden = false;
      if (within) {
        const entry = document.querySelector(".cc-entry[data-codes~=\"" + code + "\"]");
        (entry || centre.node("cc-list")).focus();
      }
    }

    function row(list, label, value, more) {
      list.append(wangge.element("div", {}, wangge.element("dt", {}, label), wangge.element("dd", {}, value, more ? wangge.element("small", {}, more) : null)));
    }

    // What the view says of the grid: its cases, their rate, and whether that is more than before.
    function situation(grid) {
      const figures = centre.rows_by_grid()[grid.code];
      if (!figures) return null;
      const list = wangge.element("dl", { class: "wg-lines" });
      const joined = figures.grids.length > 1 ? wangge.say("centre.grids_together", { names: figures.label }) : null;
      row(list, wangge.say("centre.card_cases"), (figures.crossing ? "≈ " : "") + centre.short(figures.cases), joined);
      if (figures.difference !== null) row(list, wangge.say("centre.card_change"), centre.signed(figures.difference) + wangge.say("centre.verdict_" + (figures.verdict || "chance")), centre.uncertain(figures) ? wangge.say("centre.crossing_note") : null);
      if (centre.figures.rate) row(list, wangge.say("centre.card_rate_" + centre.figures.rate.per), figures.rate_state === "hidden" || figures.rate === null ? wangge.say("centre.rate_state_hidden") : centre.short(figures.rate) + (figures.rate_state === "unstable" ? " · " + wangge.say("centre.rate_state_unstable") : ""));
      return wangge.element("section", { class: "wg-card-section" }, wangge.element("h3", {}, wangge.say("centre.situation")), list);
    }

    // What the page itself knows, at once; the server's card follows.
    function write(grid) {
      const shut = function () { centre.change({ grid: "" }); };
      if (told) {
        wangge.write_card(card, told, { colour: grid.colour, close: shut, map: map });
        const first = card.querySelector(".wg-card-section"), more = situation(grid);
        if (more) { if (first) first.before(more); else card.append(more); }
        return;
      }
      const close = wangge.element("button", { type: "button", class: "wg-close", "aria-label": wangge.say("card.close"), title: wangge.say("card.close") }, "×");
      close.addEventListener("click", shut);
      const head = wangge.element("header", {}, wangge.element("p", { class: "wg-eyebrow" }, wangge.say("card.grid")),
        wangge.element("h2", { tabindex: "-1" }, grid.label), wangge.element("p", { class: "wg-code" }, grid.code), close);
      head.style.setProperty("--wg-grid", grid.colour);
      const list = wangge.element("dl", { class: "wg-card-figures" });
      row(list, wangge.say("card.households"), wangge.number(grid.households));
      row(list, wangge.say("card.residents"), wangge.number(grid.residents));
      card.classList.add("wg-grid-card");
      card.replaceChildren(head, list);
      const more = situation(grid);
      if (more) card.append(more);
      if (grid.head) card.append(wangge.element("p", { class: "cc-card-line" }, wangge.say("centre.tip_head", { name: grid.head })));
    }

    // What the figures say of the grid: when it changes, the server's card has changed as well.
    function now(code) {
      const figures = centre.figures;
      if (!figures) return "";
      const cases = figures.newest.filter(function (one) { return one.properties.grid === code; });
      return JSON.stringify([figures.query, centre.rows_by_grid()[code], cases.map(function (one) { return [one.id, one.properties.status]; })]);
    }

    function ask(grid) {
      const first = !told;
      clearTimeout(again);
      again = null;
      asked = Date.now();
      seen = now(grid.code);
      centre.ask("card", "grids/" + encodeURIComponent(grid.code) + "/card").then(function (answer) {
        if (!answer || shown !== grid.code) return;
        told = answer;
        if (!first) { keeping(function () { write(grid); }); return; }
        const within = card.contains(document.activeElement);
        write(grid);
        if (within) card.querySelector("h2").focus({ preventScroll: true });
        if (centre.narrow()) centre.fly_to_grid(grid.code);  // the sheet grew
      }, function (error) {
        if (first) card.append(wangge.element("p", { class: "cc-warning" }, centre.why(error)));
      });
    }

    // Other figures of the same question: the months and the cases of the card, too, soon. Another question has the same card.
    function renew(grid) {
      const is = now(grid.code);
      if (!seen || JSON.parse(seen)[0] !== JSON.parse(is)[0]) { seen = is; return; }
      // of a grid that is no longer in force there is no card: the page is about to be read anew
      if (!page.card || !told || is === seen || !centre.rows_by_grid()[grid.code]) return;
      if (!again) again = setTimeout(function () { again = null; if (shown === grid.code && centre.rows_by_grid()[grid.code]) ask(grid); }, Math.max(0, asked + LEAST_MS - Date.now()));
    }

    // Write anew what somebody may be reading: what was opened, scrolled and focused stays so.
    function keeping(act) {
      const parts = function () { return Array.from(card.querySelectorAll("h2, a, button, summary, [tabindex]")); };
      const opened = Array.from(card.querySelectorAll("details"), function (node) { return node.open; });
      const table = card.querySelector(".wg-buildings"), scrolled = table ? table.scrollTop : 0, at = parts().indexOf(document.activeElement);
      act();
      card.querySelectorAll("details").forEach(function (node, n) { if (opened[n]) node.open = true; });
      const same = card.querySelector(".wg-buildings"), part = at < 0 ? null : parts()[at] || card.querySelector("h2");
      if (same) same.scrollTop = scrolled;
      if (part) part.focus({ preventScroll: true });
    }

    function open(grid) {
      const fresh = shown !== grid.code;
      shown = grid.code;
      if (fresh) told = null;
      write(grid);
      card.hidden = false;
      overview.hidden = true;
      if (fresh) {
        card.parentElement.scrollTop = 0;
        centre.open_sheet("cc-right");
        if (page.card) ask(grid);
      }
    }

    function follow(focus) {
      const grid = centre.view.grid ? centre.grid(centre.view.grid) : null;
      if (!grid) { if (shown) close(); return; }
      open(grid);
      if (focus) card.querySelector("h2").focus({ preventScroll: true });
    }

    wangge.on("view", function (names) {
      if (names.has("grid")) follow(document.activeElement && document.activeElement.classList.contains("cc-entry"));
    });
    wangge.on("figures", function () {
      const grid = shown && centre.grid(shown);
      if (!grid) return;
      keeping(function () { write(grid); });
      renew(grid);
    });
    wangge.on("language", function () { if (shown) follow(false); });
    wangge.on("started", function () { follow(false); });
    wangge.on("escape", function () { if (centre.view.grid) centre.change({ grid: "" }); });
  });
})();
