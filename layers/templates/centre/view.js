// The view: filters, theme, place. It stands in the address, so that a link shows the same; back and forward work.
(function () {
  "use strict";
  const THEMES = ["heat", "grids", "statistics", "people", "reach"];
  const LISTS = ["category", "status", "tier"];
  const FILTERS = ["category", "status", "tier", "last", "datetime", "hours", "weekdays", "rate", "previous"];

  // a theme that the link asks for and the page does not have, and that link
  let missed = "", missed_at = "";

  function empty() {
    return {
      category: [], status: [], tier: [], last: "30d", datetime: "", hours: "", weekdays: "", rate: "", previous: false,
      theme: "", choice: "", at: "", area: "", grid: "", small: "", list: "newest", wall: false, finer: {}
    };
  }

  function read() {
    const asked = new URLSearchParams(location.search);
    const view = empty();
    LISTS.forEach(function (name) { view[name] = asked.getAll(name).filter(Boolean); });
    ["last", "datetime", "hours", "weekdays", "rate", "at", "area", "grid", "small"].forEach(function (name) {
      if (asked.get(name)) view[name] = asked.get(name);
    });
    if (view.datetime) view.last = "";
    view.finer = centre.finer.read(asked);
    view.previous = asked.get("previous") === "true";
    view.wall = asked.get("wall") === "1";
    if (["overdue", "grids"].indexOf(asked.get("list")) >= 0) view.list = asked.get("list");
    const theme = (asked.get("theme") || "").split(":");
    view.theme = theme[0];
    view.choice = theme.slice(1).join(":");
    const themes = Array.from(document.querySelectorAll("input[name=cc-theme]")).map(function (input) { return input.value; });
    // an area that is no longer there: after a new plan, say
    if (!centre.page.areas.some(function (area) { return area.community + ":" + area.key === view.area; })) view.area = "";
    if (themes.indexOf(view.theme) < 0) {
      if (!centre.view) { missed = view.theme; missed_at = location.pathname + location.search; }
      view.theme = themes[0] || "grids";
      view.choice = "";
    }
    return view;
  }

  // The filters as the server takes them, in a fixed order.
  function query(view) {
    const told = new URLSearchParams();
    FILTERS.forEach(function (name) {
      if (LISTS.indexOf(name) >= 0) view[name].forEach(function (value) { told.append(name, value); });
      else if (name === "previous") { if (view.previous) told.set(name, "true"); }
      else if (view[name] && !(name === "last" && view.datetime)) told.set(name, view[name]);
    });
    return told;
  }

  function address(view) {
    const told = query(view);
    if (view.last === "30d" && !view.datetime) told.delete("last");
    told.set("theme", view.theme + (view.choice ? ":" + view.choice : ""));
    ["area", "grid", "small"].forEach(function (name) { if (view[name]) told.set(name, view[name]); });
    const finer = centre.finer.of(view);
    Object.keys(finer).forEach(function (name) { told.set(name, finer[name]); });
    if (view.list !== "newest") told.set("list", view.list);
    if (view.at) told.set("at", view.at);
    if (view.wall) told.set("wall", "1");
    told.set("lang", wangge.language());
    return location.pathname + "?" + told.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");
  }

  function keep(push) {
    const target = address(centre.view);
    if (target === location.pathname + location.search) return;
    history[push ? "pushState" : "replaceState"](null, "", target);
  }

  // Change some of the view; whoever draws it is told which. quiet: no step to go back to.
  centre.change = function (changes, quiet) {
    const names = Object.keys(changes).filter(function (name) {
      return JSON.stringify(centre.view[name]) !== JSON.stringify(changes[name]);
    });
    if (!names.length) return;
    Object.assign(centre.view, changes);
    keep(!quiet);
    wangge.emit("view", new Set(names));
  };

  centre.query = function (more) {
    const told = query(centre.view);
    Object.keys(more || {}).forEach(function (name) { told.set(name, more[name]); });
    return told.toString();
  };

  centre.filtered = function () {
    const view = centre.view;
    return LISTS.some(function (name) { return view[name].length; }) || view.last !== "30d" || view.hours !== "" || view.weekdays !== "";
  };

  centre.without_filters = function () {
    return { category: [], status: [], tier: [], last: "30d", datetime: "", hours: "", weekdays: "" };
  };

  centre.part(function (map) {
    centre.view = read();
    window.addEventListener("popstate", function () {
      const before = centre.view;
      const lang = new URLSearchParams(location.search).get("lang");
      centre.view = read();
      if (lang && lang !== wangge.language()) wangge.translate(lang);
      const names = Object.keys(centre.view).filter(function (name) {
        return JSON.stringify(before[name]) !== JSON.stringify(centre.view[name]);
      });
      if (names.length) wangge.emit("view", new Set(names));
      if (names.indexOf("at") >= 0 && !place() && !centre.view.area) whole();
    });
    wangge.on("language", function () { keep(false); if (!centre.node("cc-note").hidden) tell_missed(); });
    // until another theme is chosen
    wangge.on("view", function (names) { if (missed && names.has("theme")) { missed = ""; centre.note(""); } });

    function theme_name(name) { return THEMES.indexOf(name) < 0 ? name.slice(0, 20) : wangge.say("centre.theme_" + name); }

    function tell_missed() {
      if (!missed) return;
      const words = wangge.say("centre.theme_missing", { theme: theme_name(missed), shown: theme_name(centre.view.theme) });
      centre.note(words, centre.page.role === "public" ? wangge.login(missed_at, wangge.say("centre.log_in_first")) : null);
    }

    function place() {
      const at = centre.view.at.split(",").map(Number);
      const right = at.length === 3 && at.every(Number.isFinite) && Math.abs(at[0]) <= 90 && Math.abs(at[1]) <= 180;
      // a map is not held to its least and most zoom where it is told one; far beyond, drawing does not end
      if (right) map.setView([at[0], at[1]], Math.max(map.getMinZoom(), Math.min(map.getMaxZoom(), at[2])), { animate: false });
      return right;
    }
    // The whole area between the panels. Nobody moved the map: it does not go into the address.
    let fitting = true;
    function whole() {
      const bounds = centre.page.bounds;
      fitting = true;
      map.invalidateSize({ animate: false });  // after a turn of the phone the map does not know its size yet
      map.fitBounds([[bounds[1], bounds[0]], [bounds[3], bounds[2]]], Object.assign({ animate: false }, centre.room()));
      fitting = false;
    }
    // What is asked of the map amid a zoom is lost on Leaflet: it is done after it.
    let zooming = false;
    map.on("zoomanim", function () { zooming = true; });
    map.on("zoomend", function () { zooming = false; });
    centre.after_zoom = function (act) { if (zooming) map.once("moveend", act); else act(); };
    centre.whole = function () {
      centre.after_zoom(function () {
        centre.change({ at: "" }, true);
        whole();
      });
    };
    wangge.on("started", function () {
      tell_missed();
      if (!place()) whole();
      fitting = false;
      map.on("moveend", function () {
        if (fitting) return;
        const middle = map.getCenter();
        centre.change({ at: [middle.lat.toFixed(6), middle.lng.toFixed(6), map.getZoom()].join(",") }, true);
      });
      window.addEventListener("resize", function () { if (!centre.view.at) whole(); });
    });
    // on a phone the lines above the map come and go: the way through the tiers, what a theme lets one choose
    new ResizeObserver(function () { if (!fitting && !centre.view.at && centre.narrow()) whole(); }).observe(centre.node("cc-themes"));
    // the first legend takes room of its own; on a phone, each of another height does
    let laid = false;
    wangge.on("legend", function () {
      if (centre.view.at || laid && !centre.narrow()) return;
      laid = true;
      whole();
    });
  });
})();
