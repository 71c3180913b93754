/* The files of the page, as bytes between page_NAME and page_NAME_end; server/display/page.c names them. */
        .section .rodata
        .macro file name, path
        .balign 16
        .global page_\name
        .hidden page_\name
page_\name:
        .incbin "\path"
        .global page_\name\()_end
        .hidden page_\name\()_end
page_\name\()_end:
        .endm

        file index_html, "server/web/index.html"
        file page_css, "server/web/page.css"
        file page_js, "server/web/page.js"
        file format_js, "server/web/format.js"
        file dom_js, "server/web/dom.js"
        file fetch_js, "server/web/fetch.js"
        file now_js, "server/web/now.js"
        file fan_js, "server/web/fan.js"
        file field_js, "server/web/field.js"
        file map_js, "server/web/map.js"
        file spectrum_js, "server/web/spectrum.js"
        file jobs_js, "server/web/jobs.js"
        file uplot_js, "server/web/vendor/uPlot.iife.min.js"
        file uplot_css, "server/web/vendor/uPlot.min.css"
        file coastline_json, "server/web/vendor/coastline.json"

        .section .note.GNU-stack, "", %progbits
