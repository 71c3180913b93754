/* server/http/schemas.json, as bytes between openapi_schemas and openapi_schemas_end. */
        .section .rodata
        .balign 16
        .global openapi_schemas
        .hidden openapi_schemas
openapi_schemas:
        .incbin "server/http/schemas.json"
        .global openapi_schemas_end
        .hidden openapi_schemas_end
openapi_schemas_end:

        .section .note.GNU-stack, "", %progbits
