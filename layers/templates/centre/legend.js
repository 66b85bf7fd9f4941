// What the colours mean: title, entries, the method in one line, its caveat, and where to read more.
(function () {
  "use strict";

  let pressed = false;

  function swatch(entry) {
    const drawing = wangge.svg("svg", { class: "wg-swatch wg-" + entry.symbol, width: 28, height: 14, viewBox: "0 0 28 14", "aria-hidden": "true" });
    if (entry.symbol === "line") {
      drawing.append(wangge.svg("path", { d: "M1 7H27", stroke: entry.colour, "stroke-width": 3, fill: "none", "stroke-dasharray": entry.dashes || "none" }));
    } else if (entry.symbol === "ring") {
      drawing.append(wangge.svg("circle", { cx: 14, cy: 7, r: 5.5, stroke: entry.colour, "stroke-width": 2.4, fill: "none" }));
    } else if (entry.symbol === "dot") {
      drawing.append(wangge.svg("circle", { cx: 14, cy: 7, r: 5, stroke: "#ffffff", "stroke-width": 1.4, fill: entry.colour }));
    } else {
      drawing.append(wangge.svg("rect", { x: 0.5, y: 0.5, width: 27, height: 13, rx: 2, fill: entry.symbol === "fill" ? entry.colour : "#f4f2ee" }));
      if (entry.symbol === "hatch") drawing.append(wangge.svg("path", { d: "M2 13 14 1M10 13 22 1M18 13 26 5M2 5 6 1" }));
    }
    return drawing;
  }

  // Where the theme is explained: a page of the guide, and a notebook that works it through.
  function reading(theme) {
    const page = "/guide/docs/" + theme.page + (wangge.language() === "zh" ? ".zh-CN.md" : ".md");
    const links = wangge.element("p", { class: "cc-read" }, wangge.element("a", { href: page }, wangge.say("centre.read")));
    if (theme.notebook) links.append(" · ", wangge.element("a", { href: "/guide/notebooks/" + theme.notebook + ".ipynb" }, wangge.say("centre.example")));
    return links;
  }

  // On a phone the legend is folded to one line that opens it: what is shown in which unit, or why there is too little to show.
  function fold(box, told) {
    const line = centre.node("cc-folded"), ramp = line.firstElementChild, words = line.lastElementChild;
    line.hidden = !told;
    if (!told) return;
    words.textContent = told.warning || told.title + (told.waiting ? " · " + told.waiting : "");
    line.setAttribute("aria-label", wangge.say("legend.title") + " · " + words.textContent);
    line.classList.toggle("cc-warned", Boolean(told.warning));
    const colours = Array.from(box.querySelectorAll("li .wg-swatch rect"), function (drawn) { return drawn.getAttribute("fill") || ""; });
    ramp.replaceChildren.apply(ramp, colours.filter(function (colour) { return colour[0] === "#"; }).map(function (colour) {
      const part = wangge.element("i", {});
      part.style.background = colour;
      return part;
    }));
  }

  // told: {title, action ({label, act}), waiting (that the answer is not there yet), verdict, method, caveat, key, spec, states (of a choropleth), entries: [{symbol, colour, label}], notes: [text],
  // controls: a node that stays where it is while others come and go}
  centre.write_legend = function (told) {
    const box = centre.node("cc-legend");
    box.hidden = !told;
    if (!told) { box.replaceChildren(); fold(box, null); return; }
    const head = wangge.element("h2", {}, told.title);
    const parts = [head];
    if (told.entries && told.entries.length) {
      const list = wangge.element("ul", {});
      told.entries.forEach(function (entry) { list.append(wangge.element("li", {}, swatch(entry), wangge.element("span", {}, entry.label))); });
      parts.push(list);
    }
    if (told.spec) {
      const list = wangge.element("ul", {});
      wangge.choropleth.legend(list, told.spec, told.states || []);
      parts.push(list);
    }
    // without which the figures on the map could not be read
    if (told.key) parts.push(wangge.element("p", { class: "cc-caveat cc-key" }, told.key));
    // one line each
    [told.method, told.caveat].filter(Boolean).forEach(function (line) { parts.push(wangge.element("p", { class: "cc-caveat" }, line)); });
    const notes = (told.notes || []).filter(Boolean);
    const theme = centre.themes[centre.view.theme];
    if (notes.length) {
      const more = wangge.element("details", { class: "cc-method" }, wangge.element("summary", {}, wangge.say("centre.method")));
      notes.forEach(function (note) { more.append(wangge.element("p", {}, note)); });
      if (theme) more.append(reading(theme));
      const before = box.querySelector("details.cc-method");
      // closed on a phone, where there is no room; else as it was
      more.open = before ? before.open : !centre.narrow() && window.innerHeight > 860;
      parts.push(more);
    }
    if (theme && !notes.length) parts.push(reading(theme));
    const ground = centre.ground_words();
    if (ground) parts.push(wangge.element("p", { class: "cc-caveat cc-ground" }, ground));
    if (told.action) {
      const button = wangge.element("button", { type: "button", class: "cc-action" }, told.action.label);
      button.addEventListener("click", told.action.act);
      parts.push(button);
    }
    if (document.activeElement && document.activeElement.className === "cc-action") pressed = true;
    if (told.waiting) parts.splice(1, 0, wangge.element("p", { class: "cc-waiting" }, told.waiting));
    if (told.verdict) parts.splice(1, 0, wangge.element("p", { class: "cc-verdict" }, told.verdict));
    if (told.warning) parts.splice(1, 0, wangge.element("p", { class: "cc-warning" }, told.warning));
    Array.from(box.childNodes).forEach(function (node) { if (node !== told.controls) node.remove(); });
    if (told.controls && told.controls.parentNode === box) told.controls.before.apply(told.controls, parts);
    else box.append.apply(box, parts.concat(told.controls ? [told.controls] : []));
    // who pressed the button is back on it when the answer is there
    if (pressed && told.action && (document.activeElement === document.body || !document.activeElement)) {
      box.querySelector(".cc-action").focus();
      pressed = false;
    }
    fold(box, told);
    wangge.emit("legend");
  };

  // As those know it who draw more than one of a kind: "group:elderly"
  centre.theme_name = function () {
    const theme = centre.themes[centre.view.theme];
    return theme && theme.name ? theme.name() : centre.view.theme;
  };

  centre.draw_legend = function () {
    const theme = centre.themes[centre.view.theme];
    centre.write_legend(theme && theme.legend ? theme.legend() : null);
  };

  centre.part(function () {
    let now = null;
    function show() {
      const view = centre.view;
      document.documentElement.setAttribute("data-theme", view.theme);
      if (now && now !== view.theme && centre.themes[now] && centre.themes[now].hide) centre.themes[now].hide();
      now = view.theme;
      const theme = centre.themes[now];
      if (theme && theme.show) theme.show();
      wangge.emit("theme", centre.theme_name());
      centre.draw_legend();
      wangge.emit("labels");
    }
    wangge.on("started", show);
    wangge.on("view", function (names) { if (names.has("theme") || names.has("choice")) show(); });
    wangge.on("language", function () { centre.draw_legend(); });
  });
})();
