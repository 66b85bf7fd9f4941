// The filters on the left: what is chosen stands in the view; how many cases each value has stands beside it.
(function () {
  "use strict";
  const SHOWN = 8;

  centre.part(function () {
    const left = centre.node("cc-left"), NAMES = ["category", "status", "tier"];
    const boxes = function () { return Array.from(left.querySelectorAll("[data-filter] input[type=checkbox]")); };
    const lasts = document.querySelectorAll("input[name=cc-last]");
    const span = centre.node("cc-span"), from = centre.node("cc-from"), to = centre.node("cc-to");
    const reset = centre.node("cc-reset");
    if (!reset) return;

    function mark() {
      const view = centre.view;
      boxes().forEach(function (box) { box.checked = view[box.name].indexOf(box.value) >= 0; });
      lasts.forEach(function (input) { input.checked = input.value === (view.datetime ? "span" : view.last); });
      span.hidden = !view.datetime;
      if (view.datetime) {
        const period = centre.period(view.datetime);
        from.value = period.begin === null ? "" : centre.clock(period.begin).date;
        to.value = period.end === null ? "" : centre.ending_day(period);
      }
      reset.hidden = !centre.filtered();
    }

    left.addEventListener("change", function (event) {
      const box = event.target;
      if (!box.closest("[data-filter]")) return;
      const kept = centre.view[box.name].filter(function (value) { return value !== box.value; });
      const changes = {};
      changes[box.name] = box.checked ? kept.concat([box.value]) : kept;
      centre.change(changes);
    });

    // A value that came into being after the page was made: its first case was just reported.
    function add(section, name, row) {
      const label = wangge.element("label", { class: "cc-choice" }, wangge.element("input", { type: "checkbox", name: name, value: row.value }),
        wangge.element("span", { class: "cc-choice-words" }, wangge.choose(row.label)),
        wangge.element("span", { class: "cc-meter", "aria-hidden": "true" }, wangge.element("i", {})), wangge.element("span", { class: "cc-count" }));
      label.querySelector(".cc-choice-words").dataset.zh = row.label.zh;
      label.querySelector(".cc-choice-words").dataset.en = row.label.en;
      if (row.label.written) label.querySelector(".cc-choice-words").lang = row.label.written;
      const labels = section.querySelectorAll(".cc-choice");
      if (labels.length) labels[labels.length - 1].after(label); else section.append(label);
    }

    lasts.forEach(function (input) {
      input.addEventListener("change", function () {
        if (input.value !== "span") { centre.change({ last: input.value, datetime: "" }); return; }
        const told = centre.figures ? centre.figures.span : null, now = Date.now();
        from.value = told ? centre.clock(told.begin).date : centre.clock(now - 7 * 86400000).date;
        to.value = told ? centre.ending_day({ begin: null, end: new Date(told.end).getTime() }) : centre.clock(now).date;
        span.hidden = false;
        days();
        from.focus();
      });
    });

    // Days, which the server takes for Beijing's: the same wherever the link is opened. One left empty is open; a year
    // that is still being typed is none.
    function days() {
      const typed = [from, to].some(function (input) { return !input.validity.valid; });
      if (typed || !from.value && !to.value) return;
      const ordered = from.value && to.value ? [from.value, to.value].sort() : [from.value || "..", to.value || ".."];
      centre.change({ last: "", datetime: ordered.join("/") });
    }
    [from, to].forEach(function (input) { input.addEventListener("change", days); });
    reset.addEventListener("click", function () { centre.change(centre.without_filters()); });

    function count(figures) {
      NAMES.forEach(function (name) {
        const rows = figures["by_" + name];
        const section = document.querySelector("[data-filter=" + name + "]");
        if (!section || !rows) return;
        const most = Math.max.apply(null, [1].concat(rows.map(function (row) { return row.cases; })));
        const counts = {}, known = boxes().filter(function (box) { return box.name === name; }).map(function (box) { return box.value; });
        rows.forEach(function (row) { if (known.indexOf(row.value) < 0) add(section, name, row); });
        rows.forEach(function (row) { counts[row.value] = row.cases; });
        section.querySelectorAll("input[type=checkbox]").forEach(function (box) {
          const label = box.closest("label"), meter = label.querySelector(".cc-meter i");
          let value = counts[box.value];
          if (box.value === "open") value = rows.reduce(function (sum, row) { return sum + (row.value === "closed" ? 0 : row.cases); }, 0);
          // with a value of this filter chosen, the others' numbers are not known: they were not counted
          const unknown = centre.view[name].length && !box.checked && !value;
          label.querySelector(".cc-count").textContent = unknown ? "" : centre.short(value || 0);
          if (meter) meter.style.width = (unknown ? 0 : 100 * (value || 0) / most) + "%";
        });
      });
      const ends = centre.ends({ begin: new Date(figures.span.begin).getTime(), end: new Date(figures.span.end).getTime() });
      const counted = figures.anchor === "newest" && !/(^|&)datetime=/.test(figures.query);
      centre.node("cc-span-words").textContent = wangge.say(counted ? "centre.span_newest" : "centre.span", { begin: ends[0], end: ends[1] });
    }

    // Long lists show their first eight values until the rest is asked for.
    document.querySelectorAll(".cc-more").forEach(function (button) {
      const section = button.closest("[data-filter]"), labels = Array.from(section.querySelectorAll(".cc-choice"));
      function fold() {
        const open = button.getAttribute("aria-expanded") === "true";
        labels.forEach(function (label, n) { label.hidden = !open && n >= SHOWN && !label.querySelector("input").checked; });
        button.textContent = open ? wangge.say("centre.less") : wangge.say("centre.more", { count: labels.length - SHOWN });
      }
      button.addEventListener("click", function () {
        button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") === "true" ? "false" : "true");
        fold();
      });
      wangge.on("language", fold);
      wangge.on("started", fold);
    });

    wangge.on("view", mark);
    wangge.on("started", mark);
    wangge.on("figures", function (figures) { mark(); count(figures); });
    wangge.on("language", function () { if (centre.figures) count(centre.figures); });
  });
})();
