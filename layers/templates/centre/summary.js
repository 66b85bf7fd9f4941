// What the map shows, in two sentences and a few large numbers; by day below.
(function () {
  "use strict";
  const say = function (key, values) { return wangge.say(key, values); };

  function figure(label, value, more, kind) {
    return wangge.element("div", { class: kind ? "cc-figure cc-" + kind : "cc-figure" },
      wangge.element("dt", {}, label), wangge.element("dd", {}, value, more ? wangge.element("small", {}, more) : null));
  }

  function change_words(change) {
    if (!change) return "";
    const arrow = change.verdict === "more" ? "▲ " : change.verdict === "fewer" ? "▼ " : "";
    return arrow + centre.signed(change.difference) + (change.percent === null || change.percent === undefined ? "" : " (" + centre.signed(Math.round(change.percent)) + "%)");
  }

  centre.part(function () {
    const numbers = centre.node("cc-figures"), words = centre.node("cc-summary"), chips = centre.node("cc-chips"), days = centre.node("cc-days"), links = centre.node("cc-links");
    if (!words) { numbers.hidden = true; return; }

    function draw() {
      const told = centre.figures;
      if (!told) return;
      const open = told.by_status.reduce(function (sum, row) { return sum + (row.value === "closed" ? 0 : row.cases); }, 0);
      const made = [figure(say("centre.figure_total"), wangge.number(told.total), change_words(told.change), told.change ? told.change.verdict : "")];
      made.push(figure(say("centre.figure_open"), wangge.number(open)));
      if (told.overdue_total !== null) made.push(figure(say("centre.figure_overdue"), wangge.number(told.overdue_total), "", told.overdue_total ? "late" : ""));
      const rising = told.by_grid.filter(function (row) { return row.verdict === "more"; }).length;
      if (told.previous_span && !told.silence) made.push(figure(say("centre.figure_rising"), wangge.number(rising), "", rising ? "more" : ""));
      numbers.replaceChildren.apply(numbers, made);

      // said only when it says something else, so that a reader of the screen is not told the same twice
      const text = [wangge.choose(told.summary)].concat(told.few ? [wangge.choose(told.few.words)] : []);
      const said = Array.from(words.children).map(function (node) { return node.textContent; });
      if (JSON.stringify(text) !== JSON.stringify(said)) {
        words.replaceChildren.apply(words, text.map(function (line, n) { return wangge.element("p", { class: n ? "cc-warning" : "cc-sentences" }, line); }));
      }
      by_day(told);
      tags();
      ways(told);
    }

    // Where the same is told otherwise: the two periods side by side, and the cases themselves.
    function ways(told) {
      const made = [], lang = "lang=" + wangge.language();
      if (told.previous_span) {
        const asked = new URLSearchParams(centre.query());
        ["last", "datetime", "previous"].forEach(function (name) { asked.delete(name); });
        asked.set("left", told.previous_span.datetime);
        asked.set("right", told.span.datetime);
        made.push(wangge.element("a", { href: centre.page.address + "/compare?" + asked + "&" + lang }, say("centre.compare")));
      }
      const items = (told.links || []).find(function (link) { return link.rel === "items"; });
      if (items) made.push(wangge.element("a", { href: items.href + (items.href.indexOf("?") < 0 ? "?" : "&") + "f=html&" + lang }, say("centre.items")));
      links.replaceChildren.apply(links, made);
    }

    function fault(error) {
      const line = wangge.element("p", { class: "cc-warning" }, centre.why(error));
      if (centre.estranged) line.append(" ", wangge.login());
      words.replaceChildren(line);
      tags();
    }

    // Bars by day, week or month, with the first, the last and the highest told.
    function by_day(told) {
      const counts = told.by_day.cases, step_of = told.by_day.step;
      const starts = told.by_day.starts.map(function (day) { return step_of === "month" ? wangge.month(day) : day; });
      days.replaceChildren();
      if (counts.length < 2) return;
      const most = Math.max.apply(null, [1].concat(counts)), width = 300, height = 56, step = width / counts.length;
      const drawing = wangge.svg("svg", { class: "cc-bars", viewBox: "0 0 " + width + " " + height, preserveAspectRatio: "none", role: "img" });
      drawing.setAttribute("aria-label", say("centre.by_" + told.by_day.step) + ": " + counts.map(function (count, n) { return starts[n] + " " + count; }).join(", "));
      counts.forEach(function (count, n) {
        const tall = Math.max(count ? 1.5 : 0.5, (height - 2) * count / most);
        const bar = wangge.svg("rect", { x: n * step + Math.min(1, step * 0.12), y: height - tall, width: Math.max(0.6, step - Math.min(2, step * 0.24)), height: tall });
        const title = wangge.svg("title", {});
        title.textContent = starts[n] + " · " + say("centre.cases_count", { count: count });
        bar.append(title);
        drawing.append(bar);
      });
      days.append(wangge.element("div", { class: "cc-bars-head" }, wangge.element("span", {}, say("centre.by_" + told.by_day.step)), wangge.element("span", {}, say("centre.most", { count: most }))),
        drawing, wangge.element("div", { class: "cc-bars-foot" }, wangge.element("span", {}, starts[0]), wangge.element("span", {}, starts[starts.length - 1])));
    }

    // The filters at work, each with a way to take it off: on a wall they are not beside the map.
    function tags() {
      const view = centre.view, made = [];
      function tag(text, changes) {
        const button = wangge.element("button", { type: "button", class: "cc-chip", title: say("centre.take_off") }, text, wangge.element("i", { "aria-hidden": "true" }, "×"));
        button.setAttribute("aria-label", say("centre.take_off_named", { name: text }));
        button.addEventListener("click", function () { centre.change(changes); });
        made.push(button);
      }
      const area = centre.area();
      if (area) tag(area.name(), { area: "" });
      const last = view.datetime ? "" : say("centre.last_" + view.last);
      if (view.datetime) {
        const ends = centre.ends(centre.period(view.datetime));
        tag(ends[0] === ends[1] ? ends[0] : ends.join(" – "), { datetime: "", last: "30d" });
      }
      else if (last.indexOf("centre.") !== 0) made.push(wangge.element("span", { class: "cc-chip cc-fixed" }, say("centre.last_words", { span: last })));
      ["category", "status", "tier"].forEach(function (name) {
        view[name].forEach(function (value) {
          const changes = {};
          changes[name] = view[name].filter(function (one) { return one !== value; });
          tag(centre.word(name, value), changes);
        });
      });
      if (view.hours || view.weekdays) tag(centre.node("cc-hours-words").textContent || view.hours + view.weekdays, { hours: "", weekdays: "" });
      chips.replaceChildren.apply(chips, made);
    }

    wangge.on("figures", draw);
    wangge.on("fault", fault);
    wangge.on("language", function () { if (centre.fault) fault(centre.fault); else draw(); });
    wangge.on("view", tags);
    wangge.on("area", tags);
  });
})();
