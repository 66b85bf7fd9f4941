// The page's core: languages, events between layers and panels, small builders. No data becomes markup here:
// every text from the data is set as text.
var wangge = (function () {
  "use strict";
  var page = null;
  var language = "zh";
  var listeners = {};
  var drawers = {};
  var obstacles = [];
  var tips = {};  // theme → what it says about a grid, by code

  function read(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  function open_page() {
    if (page) return page;
    page = read("wangge-page");
    language = page.lang;
    return page;
  }

  // {name}: a value; {name|one|more}: a word by its number (as partition/texts.py)
  function fill(text, values) {
    return text.replace(/\{(\w+)\|([^|{}]*)\|([^|{}]*)\}/g, function (whole, key, one, more) {
      return values && key in values ? String(values[key]) === "1" ? one : more : whole;
    }).replace(/\{(\w+)\}/g, function (whole, key) {
      return values && key in values ? values[key] : whole;
    });
  }

  function say(key, values) {
    return fill(open_page().texts[language][key] || key, values);
  }

  function choose(texts) {
    return texts ? texts[language] || texts.zh || texts.en || "" : "";
  }

  // The same to be put into the page; what is known in one language only is marked as of that language.
  function words(texts) {
    return texts && texts.written ? element("span", { lang: texts.written }, choose(texts)) : choose(texts);
  }

  function on(event, listener) {
    (listeners[event] = listeners[event] || []).push(listener);
  }

  function emit(event, value) {
    (listeners[event] || []).forEach(function (listener) { listener(value); });
  }

  // element("p", {class: "x"}, "text", child, …)
  function element(tag, attributes) {
    var made = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) { made.setAttribute(name, attributes[name]); });
    for (var i = 2; i < arguments.length; i++) {
      if (arguments[i] !== null && arguments[i] !== undefined) made.append(arguments[i]);
    }
    return made;
  }

  function svg(tag, attributes) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.keys(attributes || {}).forEach(function (name) { made.setAttribute(name, attributes[name]); });
    for (var i = 2; i < arguments.length; i++) made.append(arguments[i]);
    return made;
  }

  function number(value) {
    return value === null || value === undefined ? say("card.not_known") : Number(value).toLocaleString("en-US");
  }

  // "2026-10" or "2026-10-01": October 2026; short: Oct 2026; without its year: October (as layers/months.py)
  function month_name(month, short) {
    return say(short ? "map.months_short" : "map.months").split(" ")[Number(month.slice(5, 7)) - 1];
  }

  function month(month, short) {
    return say("map.month", { year: month.slice(0, 4), name: month_name(month, short) });
  }

  function pane(map, name, level, clicks) {
    var made = map.getPane(name) || map.createPane(name);
    made.style.zIndex = level;
    if (!clicks) made.style.pointerEvents = "none";
    return name;
  }

  function metres_per_pixel(map) {
    var latitude = map.getCenter().lat * Math.PI / 180;
    return 40075016.686 * Math.cos(latitude) / (256 * Math.pow(2, map.getZoom()));
  }

  function translate(lang) {
    if (lang !== "zh" && lang !== "en") return;
    open_page();
    language = lang;
    document.documentElement.lang = lang === "zh" ? "zh-CN" : lang;
    document.title = page.title[lang];
    document.querySelectorAll("[data-zh]").forEach(function (node) {
      node.textContent = node.getAttribute("data-" + lang);
    });
    document.querySelectorAll("[data-name-zh]").forEach(function (node) {
      var name = node.getAttribute("data-name-" + lang);
      if (node.hasAttribute("aria-label")) node.setAttribute("aria-label", name);
      if (node.hasAttribute("title")) node.title = name;
    });
    document.querySelectorAll("[data-lang]").forEach(function (link) {
      if (link.getAttribute("data-lang") === lang) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    emit("language", lang);
  }

  function start(map) {
    open_page();
    document.querySelectorAll("[data-lang]").forEach(function (link) {
      link.addEventListener("click", function (event) {
        event.preventDefault();
        translate(link.getAttribute("data-lang"));
        if (location.protocol.indexOf("http") === 0) {
          var address = new URL(location.href);
          address.searchParams.set("lang", language);
          history.replaceState(null, "", address);
        }
      });
    });
    document.querySelectorAll("input[name=wg-theme]").forEach(function (input) {
      input.addEventListener("change", function () { if (input.checked) show_theme(input.value); });
    });
    document.querySelectorAll("input[name=wg-kind], input[name=wg-base]").forEach(function (input) {
      var tell = function () { emit(input.name === "wg-kind" ? "kind" : "base", { name: input.value, shown: input.checked }); };
      input.addEventListener("change", tell);
      tell();
    });
    var panel = document.getElementById("wg-layers");
    var opener = document.getElementById("wg-layers-button");
    function sheet(open) {
      panel.classList.toggle("wg-open", open);
      opener.setAttribute("aria-expanded", open ? "true" : "false");
      if (open) emit("sheet", "layers");
    }
    opener.addEventListener("click", function () { sheet(!panel.classList.contains("wg-open")); });
    document.getElementById("wg-layers-close").addEventListener("click", function () { sheet(false); opener.focus(); });
    on("sheet", function (which) { if (which !== "layers") sheet(false); });
    document.getElementById("wg-in").addEventListener("click", function () { map.zoomIn(); });
    document.getElementById("wg-out").addEventListener("click", function () { map.zoomOut(); });
    document.getElementById("wg-whole").addEventListener("click", function () { emit("whole", true); });
    document.addEventListener("keydown", function (event) { if (event.key === "Escape") { sheet(false); emit("escape"); } });
    L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 140 }).addTo(map);
    var chosen = document.querySelector("input[name=wg-theme]:checked");
    show_theme(chosen ? chosen.value : "grids");
    var asked = new URLSearchParams(location.search).get("lang");
    if (asked && asked !== language) translate(asked);
    emit("ready", map);
    document.documentElement.setAttribute("data-ready", "true");
  }

  function show_theme(theme) {
    document.querySelectorAll(".wg-legend").forEach(function (legend) {
      legend.hidden = legend.getAttribute("data-theme") !== theme;
    });
    document.documentElement.setAttribute("data-theme", theme.split(":")[0]);
    emit("theme", theme);
  }

  return {
    choose: choose,
    draw: function (name, id, map) { open_page(); drawers[name](map, read(id)); },
    drawers: drawers,
    element: element,
    emit: emit,
    language: function () { return language; },
    letters: 1,  // how much larger than usual the names on the map are
    metres_per_pixel: metres_per_pixel,
    month: month,
    month_name: month_name,
    number: number,
    obstacles: obstacles,
    on: on,
    page: open_page,
    pane: pane,
    say: say,
    start: start,
    svg: svg,
    tips: tips,
    translate: translate,
    words: words
  };
})();
