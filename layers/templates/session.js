// For whom an answer is. A page outlives a login: when that has ended the server answers the public, whose figures
// would stand in the place of those of the page's own reader without a word.
(function () {
  "use strict";

  // "own": of whom the page was made for; "ended": the login has ended; "other": logged in as somebody else.
  // page: {seen_as, role}. What is refused does not say for whom, so that is asked.
  wangge.whose = function (answer, page) {
    const mark = answer.headers.get("Wangge-Seen-As");
    if (mark === page.seen_as || !mark && (answer.status < 400 || answer.status >= 500)) return Promise.resolve("own");
    return fetch("/session", { headers: { Accept: "application/json" }, credentials: "same-origin" })
      .then(function (told) { return told.ok ? told.json() : null; })
      .then(function (told) {
        if (!mark && (!told || told.role === page.role)) return "own";
        return told && told.role !== "public" ? "other" : "ended";
      }, function () { return mark ? "ended" : "own"; });
  };

  // The way to log in and back to what the page shows. back: another address of this server to come back to; words: other
  // words for it.
  wangge.login = function (back, words) {
    const way = function () { return "/login?lang=" + wangge.language() + "&next=" + encodeURIComponent(back || location.pathname + location.search); };
    const made = wangge.element("a", { href: way() }, words || wangge.say("centre.log_in"));
    made.addEventListener("click", function () { made.href = way(); });  // what is shown may have changed since
    return made;
  };
})();
