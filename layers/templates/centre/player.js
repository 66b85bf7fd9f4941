// Time in steps: the same surface for parts of the span, with the same colours; play, pause, one step at a time.
(function () {
  "use strict";
  const STEP_MS = 900;

  centre.part(function () {
    const box = centre.node("cc-player");
    let at = null, timer = null;

    function frames() {
      const told = centre.surface.told();
      return told && told.frames ? told.frames : [];
    }

    // as many steps as the span has days, within reason; hours for a single day
    function steps() {
      const figures = centre.figures, days = figures ? figures.span.days : 30;
      return Math.max(2, Math.min(24, Math.round(days <= 1.5 ? days * 8 : days <= 24 ? days : days / 3)));
    }

    function when(frame) {
      const from = centre.clock(frame.begin), to = centre.clock(frame.end);
      const whole = from.time === to.time && new Date(frame.end) - new Date(frame.begin) >= 86400000;
      if (whole) {
        const last = centre.clock(new Date(new Date(frame.end).getTime() - 1000));
        return from.date === last.date ? from.date : from.date + " – " + last.day;
      }
      return from.date + " " + from.time + " – " + (to.date === from.date ? "" : to.day + " ") + to.time;
    }

    function button(name, path, act) {
      const made = wangge.element("button", { type: "button", class: "cc-" + name, "aria-label": wangge.say("centre." + name), title: wangge.say("centre." + name) },
        wangge.svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, wangge.svg("path", { d: path, fill: "currentColor" })));
      made.addEventListener("click", act);
      return made;
    }

    function show(number) {
      at = number;
      centre.surface.show_frame(at);
      mark();
    }

    function mark() {
      const frame = frames()[at], slider = box.querySelector("input"), label = box.querySelector("output");
      if (!slider || !frame) return;
      slider.value = String(at);
      slider.setAttribute("aria-valuetext", when(frame));
      label.replaceChildren(wangge.element("b", {}, when(frame)), wangge.element("span", {}, wangge.say("centre.cases_count", { count: wangge.number(frame.cases) })));
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      write();
    }

    function play() {
      if (timer) { stop(); return; }
      if (at === null || at >= frames().length - 1) show(0);
      timer = setInterval(function () {
        if (at >= frames().length - 1) { stop(); return; }
        show(at + 1);
      }, STEP_MS);
      write();
    }

    function open() {
      centre.player_frames = steps();
      box.classList.add("cc-waiting");
      centre.surface.load();
    }

    function close() {
      clearInterval(timer);
      timer = at = null;
      centre.player_frames = 0;
      centre.surface.show_frame(null);
      centre.draw_legend();
      write();
    }

    function write() {
      const heat = centre.view.theme === "heat" && centre.page.cases;
      box.hidden = !heat;
      if (!heat) return;
      const focused = document.activeElement && box.contains(document.activeElement) ? document.activeElement.className : "";
      if (!centre.player_frames || !frames().length) {
        const opener = wangge.element("button", { type: "button", class: "cc-animate" },
          wangge.svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, wangge.svg("path", { d: "M4 2.5v11l9-5.5z", fill: "currentColor" })), wangge.say("centre.animate"));
        opener.addEventListener("click", open);
        box.className = "cc-player";
        box.replaceChildren(opener);
        return;
      }
      const slider = wangge.element("input", { type: "range", min: 0, max: frames().length - 1, step: 1, "aria-label": wangge.say("centre.moment") });
      slider.addEventListener("input", function () { if (timer) stop(); show(Number(slider.value)); });
      box.className = "cc-player cc-playing";
      box.replaceChildren(
        button(timer ? "pause" : "play", timer ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 2.5v11l9-5.5z", play),
        button("back", "M11 3v10L4 8zM3 3h1.6v10H3z", function () { if (timer) stop(); show(Math.max(0, at - 1)); }),
        button("forward", "M5 3v10l7-5zM11.4 3H13v10h-1.6z", function () { if (timer) stop(); show(Math.min(frames().length - 1, at + 1)); }),
        slider, wangge.element("output", { "aria-live": timer ? "off" : "polite" }), button("stop", "M4 4l8 8M12 4l-8 8", close));
      box.querySelector(".cc-stop path").setAttribute("stroke", "currentColor");
      box.querySelector(".cc-stop path").setAttribute("stroke-width", "1.8");
      mark();
      if (focused) { const again = box.querySelector(focused === "cc-play" || focused === "cc-pause" ? ".cc-play, .cc-pause" : "." + focused.split(" ")[0]); if (again) again.focus(); }
    }

    wangge.on("surface", function (told) {
      if (centre.player_frames && told.frames && told.frames.length) {
        const first = at === null;
        if (first) at = centre.calm() ? told.frames.length - 1 : 0;
        at = Math.min(at, told.frames.length - 1);
        centre.surface.show_frame(at);
        write();
        // who asked for less motion steps through by hand
        if (first) { box.querySelector(".cc-play").focus(); if (!centre.calm()) play(); }
      } else write();
    });
    wangge.on("theme", function (name) { if (name !== "heat") { clearInterval(timer); timer = null; } write(); });
    wangge.on("language", write);
    // another span has other steps
    wangge.on("view", function (names) { if (centre.player_frames && ["last", "datetime"].some(function (name) { return names.has(name); })) { centre.player_frames = 0; close(); } });
  });
})();
